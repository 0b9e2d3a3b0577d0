/**
 * The engine that stops nobody: programs in the kernel put what every call has moved into a ring, which is read here. Only
 * a thread that writes faster than that is held back, unless bytes may be dropped.
 */
import { POLLIN } from "../../ffi/constants.ts";
import { PollSet } from "../../ffi/descriptor.ts";
import { pollOnOtherThread } from "../../ffi/threads.ts";
import { verbose, writeStderr } from "../../log.ts";
import { Deadline } from "../../tracee/wait.ts";
import type { Control, Engine, Receiver, WatchEvent, WatchRequest } from "../engine.ts";
import { Child } from "./child.ts";
import { EndWatch } from "./end_watch.ts";
import { Fetcher } from "./fetch.ts";
import { HeldThreads } from "./hold.ts";
import { ALARM, STATS } from "./layout.ts";
import type { LoadedPrograms } from "./loaded.ts";
import { LossReports } from "./losses.ts";
import { RecordReader } from "./records.ts";
import { preferReader, watchDescendants } from "./watched_tree.ts";

/** Longest time in milliseconds without a turn of the event loop. */
const SLICE_MS = 40;
/** So much is read before the room of it is given back, and the clock is asked. */
const BATCH_BYTES = 1 << 18;
/** While bytes come they are let gather for so long, instead of waking up for each. */
const GATHER_MS = 3;
/** To run after a writer record by record would only slow it down. */
const FEW_BYTES = 1 << 16;
/** Who waits for this program to stop, the user, is not to wait for a slow reader or for one who writes without end. */
const SUSPEND_SECONDS = 0.5;
const RELEASE_PAUSE_MS = 1;

export class BpfEngine implements Engine {
  readonly name = "bpf";
  readonly #request: WatchRequest;
  readonly #receiver: Receiver;
  readonly #control: Control;
  readonly #loaded: LoadedPrograms;
  readonly #records: RecordReader;
  readonly #held: HeldThreads;
  readonly #ends: EndWatch;
  readonly #losses: LossReports;
  readonly #ended = new Set<number>();
  /** Processes that were reported to have run on, perhaps. */
  readonly #doubted = new Set<number>();
  /** Calls of processes whose bytes cannot be seen, and that was told of. */
  readonly #unseen = new Set<string>();
  /** The command, where it is a child of ours. */
  #child: Child | undefined;
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
    this.#losses = new LossReports(loaded, receiver);
    this.#ends = new EndWatch(loaded.ringDescriptor, (pid) => loaded.forget(pid));
    this.#held = new HeldThreads({
      onEnd: (tid, status) => this.#child?.noteEnd(tid, status),
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
      lost: (time) => void this.#losses.tell(time),
    });
    if (loaded.mark !== undefined) {
      receiver.onReady({ fd: loaded.alarmDescriptor, ring: () => this.#readAlarms() });
    }
  }

  attach(): void {
    for (const pid of this.#request.pids) this.#watch(pid);
    if (this.#request.follow) watchDescendants(this.#request, this.#loaded);
    const count = [...this.#loaded.watched()].length;
    verbose(`Watching ${count} process${count === 1 ? "" : "es"} with eBPF`);
  }

  attachPaused(pid: number): void {
    this.#child = new Child(pid);
    if (this.#request.outputSink !== undefined) this.#loaded.give(this.#request.outputSink);
    this.#watch(pid);
  }

  async run(): Promise<void> {
    if (this.#loaded.mark !== undefined) {
      preferReader();
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
      else await this.#control.sleep(this.#ends.untilSomething());
    }
  }

  /** Nothing is watched any more; what was written until now is read, and all that was held is let go. */
  [Symbol.dispose](): void {
    this.#isRunning = false;
    this.#loaded.detach();
    this.#held[Symbol.dispose]();
    this.#tellRest();
    this.#loaded[Symbol.dispose]();
    this.#ends[Symbol.dispose]();
  }

  #watch(pid: number): void {
    this.#ends.add(pid);
    this.#loaded.watch(pid);
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
      if (this.#loaded.alarms.waiting > 0) this.#readAlarms();
      if (ring.unreleased >= BATCH_BYTES || this.#receiver.blocked) break;
    }
    ring.release();
    if (mark !== undefined && this.#held.any && ring.waiting < mark / 4) this.#held.release(ring);
    return true;
  }

  #readAlarms(): void {
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
      await pollOnOtherThread(set);
      if (this.#isRunning && set.reported(0) !== 0) this.#readAlarms();
    }
  }

  /** In this order: who has ended since the ring was found to be empty has put there what it had still to say. */
  get #isOver(): boolean {
    return this.#loaded.watched().next().done === true && this.#loaded.ring.waiting === 0;
  }

  #finish(): void {
    this.#records.flush();
    this.#losses.tell(now());
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
    this.#receiver.receive(
      pid === this.#child?.pid ? { ...event, status: this.#child.reap() } : event,
    );
  }

  /** A thread that is not held has run on; most write what they do not change. */
  #doubt(pid: number): void {
    if (this.#doubted.has(pid)) return;
    this.#doubted.add(pid);
    writeStderr(
      `procout: Some of what process ${pid} wrote was read a moment later, from memory that it may have changed by then`,
    );
  }

  #tellRest(): void {
    this.#losses.tellRest(now(), this.#request.pids[0] ?? 0);
    verbose(
      `Held threads back ${this.#held.count} times; ` +
        `writers waited for room ${this.#loaded.stat(STATS.waits)} times`,
    );
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
