/** Waits for the ring, and for the ends of the processes that were asked for. */
import { RefusedError } from "../../errors.ts";
import { POLLIN } from "../../ffi/constants.ts";
import { close, PollSet } from "../../ffi/descriptor.ts";
import { pidfdOpen } from "../../ffi/process.ts";
import { pollOnOtherThread } from "../../ffi/threads.ts";

/** Place of the ring in the poll set; the pidfds follow. */
const RING = 0;
const PIDFDS = 1;

export class EndWatch implements Disposable {
  readonly #ring: number;
  readonly #onEnd: (pid: number) => void;
  readonly #pidfds = new Map<number, number>();
  #something: Promise<unknown> | undefined;

  /** `ring` is a descriptor; `onEnd` is called once for each process, after {@linkcode untilSomething} has settled. */
  constructor(ring: number, onEnd: (pid: number) => void) {
    this.#ring = ring;
    this.#onEnd = onEnd;
  }

  /** Throws RefusedError when there is no process `pid`. */
  add(pid: number): void {
    const pidfd = pidfdOpen(pid);
    if (pidfd < 0) throw new RefusedError(`Cannot watch process ${pid}: no such process`);
    this.#pidfds.set(pid, pidfd);
  }

  /** Settles when there is something in the ring, or a process has ended. One promise at a time. */
  untilSomething(): Promise<unknown> {
    if (this.#something === undefined) {
      const set = new PollSet(PIDFDS + this.#pidfds.size);
      set.watch(RING, this.#ring, POLLIN);
      [...this.#pidfds.values()].forEach((pidfd, index) =>
        set.watch(PIDFDS + index, pidfd, POLLIN)
      );
      this.#something = pollOnOtherThread(set).finally(() => {
        this.#something = undefined;
        // A pidfd is readable for ever from the end on.
        [...this.#pidfds].forEach(([pid, pidfd], index) => {
          if (set.reported(PIDFDS + index) === 0) return;
          close(pidfd);
          this.#pidfds.delete(pid);
          this.#onEnd(pid);
        });
      });
    }
    return this.#something;
  }

  [Symbol.dispose](): void {
    for (const pidfd of this.#pidfds.values()) close(pidfd);
    this.#pidfds.clear();
  }
}
