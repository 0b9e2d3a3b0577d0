/** Bytes that the engine bpf could not see: how many, of which thread and descriptor, and why. */
import type { Receiver, Stream } from "../engine.ts";
import { STATS } from "./layout.ts";
import type { LoadedPrograms, ReplacedFds } from "./loaded.ts";

const RING_FULL = "the ring was full, as they come faster than they are read (see --ring)";
const MISSED = "the kernel has passed over the program that sees them";
const UNTOLD = "what was to be told of them had no room in the ring (see --ring)";
const UNFOLLOWED = "a child of it came when too many processes were watched";

export class LossReports {
  readonly #loaded: LoadedPrograms;
  readonly #receiver: Receiver;
  /** Bytes that were reported, by thread and descriptor. */
  readonly #told = new Map<string, number>();

  constructor(loaded: LoadedPrograms, receiver: Receiver) {
    this.#loaded = loaded;
    this.#receiver = receiver;
  }

  /** Reports what was lost since the last report; how many bytes were lost in all. */
  tell(time: number): number {
    let told = 0;
    for (const loss of this.#loaded.losses()) {
      const key = `${loss.pid} ${loss.tid} ${loss.fd}`;
      const count = loss.count - (this.#told.get(key) ?? 0);
      this.#told.set(key, loss.count);
      told += loss.count;
      if (count > 0) this.#report(time, loss, count);
    }
    return told;
  }

  /** Reports, at the end, what is counted for no thread of its own: as of process `pid`. */
  tellRest(time: number, pid: number): void {
    const origin = { pid, tid: pid, fd: 1, stream: 1, count: 0 };
    // Losses of very many threads are not all counted apart.
    const rest = this.#loaded.stat(STATS.lost) - this.tell(time);
    if (rest > 0) this.#report(time, origin, rest);
    if (this.#loaded.misses > 0) this.#report(time, origin, 0, MISSED);
    if (this.#loaded.stat(STATS.untold) > 0) this.#report(time, origin, 0, UNTOLD);
    if (this.#loaded.stat(STATS.unfollowed) > 0) this.#report(time, origin, 0, UNFOLLOWED);
  }

  #report(
    time: number,
    { pid, tid, fd, stream }: ReplacedFds,
    count: number,
    why = RING_FULL,
  ): void {
    const which = stream as Stream;
    this.#receiver.receive({ kind: "lost", time, pid, tid, fd, stream: which, count, why });
  }
}
