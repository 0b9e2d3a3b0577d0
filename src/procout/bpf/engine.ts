/**
 * The engine that stops nobody: programs in the kernel put what every call has moved into a ring, which is read here. Only
 * a thread that writes faster than that is held back, unless bytes may be dropped.
 */
import { RefusedError } from "../../errors.ts";
import { POLLIN } from "../../ffi/constants.ts";
import { close, PollSet } from "../../ffi/descriptor.ts";
import { pidfdOpen, setNice, usleep } from "../../ffi/process.ts";
import { lastStatus, waitNow } from "../../ffi/wait_any.ts";
import { verbose, writeStderr } from "../../log.ts";
import { isEnding } from "../../proc/stat.ts";
import { listTids, readChildren } from "../../proc/tasks.ts";
import { Deadline } from "../../tracee/wait.ts";
import type { WaitStatus } from "../../tracee/wait_status.ts";
import type { Control, Engine, Receiver, WatchEvent, WatchRequest } from "../engine.ts";
import { Fetcher } from "./fetch.ts";
import { HeldThreads } from "./hold.ts";
import { ALARM, STATS } from "./layout.ts";
import type { LoadedPrograms, Loss } from "./loaded.ts";
import { RecordReader } from "./records.ts";

/** Longest time in milliseconds without a turn of the event loop. */
const SLICE_MS = 40;
/** So much is read before the room of it is given back, and the clock is asked. */
const BATCH_BYTES = 1 << 18;
/** Who holds others back must not wait for them. */
const READER_NICE = -10;
/** While bytes come they are let gather for so long, instead of waking up for each. */
const GATHER_MS = 3;
/** To run after a writer record by record would only slow it down. */
const FEW_BYTES = 1 << 16;
/** A child of ours that has told of its end has only to become a zombie. */
const REAP_SECONDS = 10;
const REAP_PAUSE_US = 100;
/** Who waits for this program to stop, the user, is not to wait for a slow reader or for one who writes without end. */
const SUSPEND_SECONDS = 0.5;
const RELEASE_PAUSE_MS = 1;

const RING_FULL = "the ring was full, as they come faster than they are read (see --ring)";
const MISSED = "the kernel has passed over the program that sees them";
const UNTOLD = "what was to be told of them had no room in the ring (see --ring)";
const UNFOLLOWED = "a child of it came when too many processes were watched";

export class BpfEngine implements Engine {
  readonly name = "bpf";
  readonly #request: WatchRequest;
  readonly #receiver: Receiver;
  readonly #control: Control;
  readonly #loaded: LoadedPrograms;
  readonly #records: RecordReader;
  readonly #held: HeldThreads;
  /** For every process that was asked for, to be woken by its end. */
  readonly #pidfds = new Map<number, number>();
  /** Losses that were told of, by thread and descriptor. */
  readonly #told = new Map<string, number>();
  readonly #ended = new Set<number>();
  /** Those of whom it was told that they may have run on. */
  readonly #doubted = new Set<number>();
  /** Calls of processes whose bytes cannot be seen, and that was told of. */
  readonly #unseen = new Set<string>();
  /** A child of ours, and its wait status where it was taken already. */
  #child: number | undefined;
  #childStatus: number | undefined;
  #something: Promise<unknown> | undefined;
  #isRunning = false;

  constructor(
    request: WatchRequest,
    receiver: Receiver,
    control: Control,
    loaded: LoadedPrograms,
  ) {
    this.#request = request;
    this.#receiver = receiver;
    this.#control = control;
    this.#loaded = loaded;
    this.#held = new HeldThreads({
      onEnd: (tid, status) => this.#heldThreadEnded(tid, status),
      setHeld: (tid, isHeld) => loaded.setHeld(tid, isHeld),
    });
    const fetcher = new Fetcher();
    this.#records = new RecordReader(loaded.ring, loaded.calls, loaded.epoch, {
      receive: (event) => this.#receive(event),
      fetch: (rest, emit) => {
        const missing = fetcher.fetch(rest, emit);
        if (missing !== rest.left && !this.#held.has(rest.tid)) this.#doubt(rest.pid);
        return missing;
      },
      lost: (time) => void this.#tellLosses(time),
    });
    if (loaded.mark !== undefined) {
      receiver.heed({ fd: loaded.alarmDescriptor, ring: () => this.#heedAlarms() });
    }
  }

  attach(): void {
    for (const pid of this.#request.pids) this.#watch(pid);
    if (this.#request.follow) this.#watchDescendants();
    const count = [...this.#loaded.watched()].length;
    verbose(`Watching ${count} process${count === 1 ? "" : "es"} with eBPF`);
  }

  attachHeldUp(pid: number): void {
    this.#child = pid;
    if (this.#request.standIn !== undefined) this.#loaded.give(this.#request.standIn);
    this.#watch(pid);
  }

  async run(): Promise<void> {
    if (this.#loaded.mark !== undefined) {
      // The threads that wait for us in poll(2), too.
      for (const tid of listTids(Deno.pid) ?? []) setNice(tid, READER_NICE);
      this.#isRunning = true;
      void this.#listenForAlarms();
    }
    for (;;) {
      const some = this.#drain();
      if (this.#receiver.blocked) await this.#receiver.room();
      if (this.#control.stopping) return this.#readRest();
      if (this.#control.suspending) this.#suspend();
      if (some) await this.#letGather();
      else if (this.#isOver) return this.#finish();
      else if (this.#held.any) await this.#releaseHeld();
      else await this.#control.sleep(this.#untilSomething());
    }
  }

  /** Nothing is watched any more; what was written until now is read, and all that was held is let go. */
  [Symbol.dispose](): void {
    this.#isRunning = false;
    this.#loaded.detach();
    this.#held[Symbol.dispose]();
    this.#tellMisses();
    this.#loaded[Symbol.dispose]();
    for (const pidfd of this.#pidfds.values()) close(pidfd);
    this.#pidfds.clear();
  }

  #watch(pid: number): void {
    const pidfd = pidfdOpen(pid);
    if (pidfd < 0) throw new RefusedError(`Cannot watch process ${pid}: no such process`);
    this.#pidfds.set(pid, pidfd);
    this.#loaded.watch(pid);
  }

  /** Children may be born meanwhile: those of a watched process are noted in the kernel, those of others found here. */
  #watchDescendants(): void {
    const { pids, apart } = this.#request;
    const seen = new Set<number>(pids);
    for (const pid of seen) {
      for (const child of (listTids(pid) ?? []).flatMap((tid) => readChildren(pid, tid))) {
        if (child === Deno.pid || seen.has(child)) continue;
        seen.add(child);
        if (apart?.has(child)) continue;
        this.#loaded.watch(child);
        // Where it ended before it was noted, nobody will say so.
        if ((listTids(child) ?? []).every((tid) => isEnding(child, tid))) {
          this.#loaded.forget(child);
        }
      }
    }
  }

  /** Read what is there, for a moment; whether there was anything. */
  #drain(): boolean {
    if (this.#receiver.blocked) return false;
    const { ring } = this.#loaded;
    const end = performance.now() + SLICE_MS;
    let some = false;
    this.#receiver.gather(true);
    while (!this.#receiver.blocked && !this.#control.stopping) {
      if (!this.#readBatch()) break;
      some = true;
      if (ring.waiting < FEW_BYTES || performance.now() > end) break;
    }
    this.#receiver.gather(false);
    return some;
  }

  /**
   * A full-screen program puts the screen right before it stops its job, us with it: what it wrote for that has to be out
   * before the shell writes its prompt there. And who is held must not be for as long as this program is stopped.
   */
  #suspend(): void {
    const deadline = new Deadline(SUSPEND_SECONDS);
    this.#receiver.gather(true);
    do {
      if (this.#receiver.blocked) this.#receiver.retry();
      this.#held.release(this.#loaded.ring);
      if (!this.#receiver.blocked && !this.#readBatch() && !this.#held.any) break;
    } while (!deadline.passed);
    this.#receiver.gather(false);
    while (this.#receiver.blocked && !deadline.passed) this.#receiver.retry();
    this.#held[Symbol.dispose]();
    this.#control.suspend();
  }

  /** What has been written until now, unless our own reader has to be waited for. */
  #readRest(): void {
    this.#loaded.detach();
    this.#receiver.gather(true);
    while (!this.#receiver.blocked && this.#readBatch());
    this.#receiver.gather(false);
    this.#records.flush();
    this.#held[Symbol.dispose]();
  }

  #readBatch(): boolean {
    const { ring, mark } = this.#loaded;
    ring.look();
    let at = ring.next();
    if (at < 0) return false;
    for (; at >= 0; at = ring.next()) {
      this.#records.read(at);
      if (this.#loaded.alarms.waiting > 0) this.#heedAlarms();
      if (ring.unreleased >= BATCH_BYTES || this.#receiver.blocked) break;
    }
    ring.release();
    if (this.#held.any && ring.waiting < mark! / 4) this.#held.release(ring);
    return true;
  }

  #heedAlarms(): void {
    const { alarms } = this.#loaded;
    alarms.look();
    for (let at = alarms.next(); at >= 0; at = alarms.next()) {
      const tid = alarms.view.getUint32(at + ALARM.tid, true);
      const isInside = alarms.view.getUint32(at + ALARM.inside, true) === 1;
      this.#held.hold(alarms.view.getUint32(at + ALARM.pid, true), tid, isInside);
    }
    alarms.release();
  }

  /** A turn of the event loop, and a short one where much is coming. */
  async #letGather(): Promise<void> {
    const { mark, ring } = this.#loaded;
    const isFlood = this.#held.any || mark !== undefined && ring.waiting > mark / 8;
    await new Promise((resolve) => setTimeout(resolve, isFlood ? 0 : GATHER_MS));
  }

  /** A thread in an uninterruptible call takes its time to come to the stop that it is let go from. */
  async #releaseHeld(): Promise<void> {
    this.#held.release(this.#loaded.ring);
    if (this.#held.any) await new Promise((resolve) => setTimeout(resolve, RELEASE_PAUSE_MS));
  }

  /**
   * Whatever this program waits for, for its own reader not least, alarms are heeded as they come: a full ring does not
   * wait. Not by a race of promises, of which each leaves something behind.
   */
  async #listenForAlarms(): Promise<void> {
    const set = new PollSet(1);
    while (this.#isRunning) {
      set.watch(0, this.#loaded.alarmDescriptor, POLLIN);
      await set.pollAsync(-1);
      if (this.#isRunning && set.reported(0) !== 0) this.#heedAlarms();
    }
  }

  /** Settles when there is something in the ring, or a process that was asked for has ended. */
  #untilSomething(): Promise<unknown> {
    if (this.#something === undefined) {
      const set = new PollSet(1 + this.#pidfds.size);
      set.watch(0, this.#loaded.ringDescriptor, POLLIN);
      [...this.#pidfds.values()].forEach((pidfd, index) => set.watch(1 + index, pidfd, POLLIN));
      this.#something = set.pollAsync(-1).finally(() => {
        this.#something = undefined;
        // That one has ended needs to be told once only.
        [...this.#pidfds].forEach(([pid, pidfd], index) => {
          if (set.reported(1 + index) === 0) return;
          close(pidfd);
          this.#pidfds.delete(pid);
          this.#loaded.forget(pid);
        });
      });
    }
    return this.#something;
  }

  /** In this order: who has ended since the ring was found to be empty has put there what it had still to say. */
  get #isOver(): boolean {
    return this.#loaded.watched().next().done === true && this.#loaded.ring.waiting === 0;
  }

  #finish(): void {
    this.#records.flush();
    this.#tellLosses(now());
    // Whose end had no room in the ring, or came before anything of ours.
    for (const pid of this.#request.pids) {
      if (!this.#ended.has(pid)) {
        this.#receive({ kind: "end", time: now(), pid, status: undefined });
      }
    }
  }

  #receive(event: WatchEvent): void {
    if (event.kind === "unseen") {
      const key = `${event.pid} ${event.call}`;
      if (this.#unseen.has(key)) return;
      this.#unseen.add(key);
    }
    if (event.kind !== "end") return this.#receiver.receive(event);
    const { pid } = event;
    if (this.#ended.has(pid)) return;
    this.#ended.add(pid);
    this.#receiver.receive(pid === this.#child ? { ...event, status: this.#reap(pid) } : event);
  }

  /** The wait status of a child of ours that is about to become a zombie. */
  #reap(pid: number): number | undefined {
    const deadline = new Deadline(REAP_SECONDS);
    while (this.#childStatus === undefined && !deadline.passed) {
      const waited = waitNow(pid);
      if (waited === pid) return lastStatus();
      if (waited < 0) break;
      usleep(REAP_PAUSE_US);
    }
    return this.#childStatus;
  }

  /** A thread that is not held has run on; most write what they do not change. */
  #doubt(pid: number): void {
    if (this.#doubted.has(pid)) return;
    this.#doubted.add(pid);
    writeStderr(
      `procout: Some of what process ${pid} wrote was read a moment later, from memory that it may have changed by then`,
    );
  }

  #heldThreadEnded(tid: number, status: WaitStatus): void {
    if (tid !== this.#child) return;
    if (status.kind === "exited") this.#childStatus = status.status << 8;
    else if (status.kind === "signaled") this.#childStatus = status.signal;
  }

  /** What was lost since this was last asked for; how many bytes were lost in all. */
  #tellLosses(time: number): number {
    let told = 0;
    for (const loss of this.#loaded.losses()) {
      const key = `${loss.pid} ${loss.tid} ${loss.fd}`;
      const count = loss.count - (this.#told.get(key) ?? 0);
      this.#told.set(key, loss.count);
      told += loss.count;
      if (count > 0) this.#lose(time, loss, count);
    }
    return told;
  }

  #lose(time: number, { pid, tid, fd, stream }: Loss, count: number, why = RING_FULL): void {
    const which = stream as 0 | 1 | 2;
    this.#receiver.receive({ kind: "lost", time, pid, tid, fd, stream: which, count, why });
  }

  #tellMisses(): void {
    const pid = this.#request.pids[0]!;
    const origin = { pid, tid: pid, fd: 1, stream: 1, count: 0 };
    // Losses of very many threads are not all counted apart.
    const rest = this.#loaded.stat(STATS.lost) - this.#tellLosses(now());
    if (rest > 0) this.#lose(now(), origin, rest);
    if (this.#loaded.misses > 0) this.#lose(now(), origin, 0, MISSED);
    if (this.#loaded.stat(STATS.untold) > 0) this.#lose(now(), origin, 0, UNTOLD);
    if (this.#loaded.stat(STATS.unfollowed) > 0) this.#lose(now(), origin, 0, UNFOLLOWED);
    verbose(
      `Held threads back ${this.#held.count} times; ` +
        `writers waited for room ${this.#loaded.stat(STATS.waits)} times`,
    );
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
