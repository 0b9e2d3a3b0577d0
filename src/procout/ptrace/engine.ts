/**
 * The engine that needs nothing but ptrace(2): every thread stops before and after each of its calls, and what it wrote
 * is read from its memory.
 */
import { TraceeDiedError } from "../../errors.ts";
import {
  PTRACE_O_EXITKILL,
  PTRACE_O_TRACECLONE,
  PTRACE_O_TRACEEXEC,
  PTRACE_O_TRACEFORK,
  PTRACE_O_TRACESYSGOOD,
  PTRACE_O_TRACEVFORK,
} from "../../ffi/constants.ts";
import { setAlarm } from "../../ffi/interruption.ts";
import { usleep } from "../../ffi/process.ts";
import { onOtherThread } from "../../ffi/threads.ts";
import { anyStatus, lastStatus, waitAny, waitAnyNow } from "../../ffi/wait_any.ts";
import { verbose, writeStderr } from "../../log.ts";
import { readStat } from "../../proc/stat.ts";
import { interrupt } from "../../tracee/ptrace.ts";
import { Deadline, waitingText } from "../../tracee/wait.ts";
import type { Control, Engine, Receiver, WatchRequest } from "../engine.ts";
import { attachAll, seizeThread } from "./attach.ts";
import { Stops } from "./stops.ts";
import { GAP_TEXT, WatchedProcesses } from "./suspend_gap.ts";

/** Longest time in milliseconds that this thread sleeps, or works, without a turn of the event loop. */
const SLICE_MS = 40;
/** An alarm that is to come at once. */
const SOON_MS = 0.1;
/** The clock is asked every so many stops. */
const STOPS_PER_LOOK = 64;
/** A thread in an uninterruptible call cannot be waited for; the kernel lets it go when this program ends. */
const DETACH_SECONDS = 5;
/** Nor need it be for longer than that: nothing of it is ours to put right. */
const SLEEPER_SECONDS = 0.2;
/** After that time the user is told that a thread has not stopped yet, of which nothing can be shown before. */
const TELL_MS = 1000;
const DETACH_PAUSE_US = 100;

export class PtraceEngine implements Engine {
  readonly name = "ptrace";
  readonly #request: WatchRequest;
  readonly #receiver: Receiver;
  readonly #control: Control;
  readonly #stops: Stops;
  readonly #options: number;
  #ticking = false;
  /** The end of a call's time that the alarm was last set for. */
  #alarmEnd: number | undefined;
  #announced = false;
  /** Whether to look for who is left: after a wait that failed. */
  #looking = false;
  #anyStatus: Promise<void> | undefined;

  constructor(request: WatchRequest, receiver: Receiver, control: Control) {
    this.#request = request;
    this.#receiver = receiver;
    this.#control = control;
    this.#stops = new Stops(request, receiver);
    const follow = request.follow ? PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK : 0;
    this.#options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | follow;
  }

  attach(): void {
    attachAll(this.#stops, this.#request, this.#options);
  }

  /**
   * Watch `pid`, a child of ours that is paused before execve(2), from there on. The child dies with
   * this program until then: nobody else knows of it.
   */
  attachPaused(pid: number): void {
    if (!seizeThread(pid, pid, this.#options | PTRACE_O_EXITKILL)) throw new TraceeDiedError(pid);
    this.#stops.add(pid, pid).optionsAfterExec = this.#options;
  }

  async run(): Promise<void> {
    const timer = setTimeout(() => this.#tellWaiting(), TELL_MS);
    Deno.unrefTimer(timer);
    try {
      await this.#run();
    } finally {
      clearTimeout(timer);
    }
  }

  #tellWaiting(): void {
    for (const { started, interrupted, tid, process: { pid } } of this.#stops.table.threads) {
      if (started || !interrupted) continue;
      return writeStderr(`procout: ${waitingText({ pid, tid })}; ^C gives up`);
    }
  }

  async #run(): Promise<void> {
    let lastTurn = performance.now();
    let looks = 0;
    let stopsSinceSleep = 0;
    while (!this.#stops.isEmpty) {
      if (this.#receiver.blocked) await this.#receiver.room();
      if (this.#control.stopping) return;
      if (this.#control.suspending) this.#suspend();
      if (this.#stops.calls.failure !== undefined) throw this.#stops.calls.failure;
      this.#stops.calls.endLimited();
      const tid = this.#next();
      if (tid < 0) return;
      if (tid > 0) {
        this.#stops.handle(tid, lastStatus());
        stopsSinceSleep++;
        if (++looks % STOPS_PER_LOOK !== 0 || performance.now() - lastTurn < SLICE_MS) continue;
        await this.#control.turn(false);
      } else {
        await this.#control.turn(true);
        if (stopsSinceSleep === 0 && !this.#control.stopping) await this.#idle();
        stopsSinceSleep = 0;
      }
      lastTurn = performance.now();
    }
  }

  /**
   * The next thread with a status; 0 when a signal came first, or the clock's tick; -1 when nobody is left. Usually one
   * call, which sleeps until there is one: looking whether there is before only costs.
   */
  #next(): number {
    const drainOnce = this.#stops.calls.underWay > 0 ? this.#control.drainOnce : undefined;
    if (this.#looking || drainOnce !== undefined || !this.#announced || this.#stops.hasEarly) {
      this.#looking = false;
      const tid = waitAnyNow();
      if (tid !== 0) return tid;
      this.#stops.resolveEarly();
      if (!this.#announced) this.#announce();
    }
    if (drainOnce !== undefined) return this.#drainUntilNext(drainOnce);
    this.#tick(true);
    const tid = waitAny();
    if (tid > 0) return tid;
    this.#looking = true;
    return 0;
  }

  #drainUntilNext(drainOnce: () => void): number {
    const end = performance.now() + SLICE_MS;
    for (;;) {
      drainOnce();
      this.#stops.calls.endLimited();
      const tid = waitAnyNow();
      if (tid !== 0 || performance.now() > end) return tid;
    }
  }

  /** Sleep, without waking up in between, until a thread has a status or a signal comes. */
  async #idle(): Promise<void> {
    this.#tick(false);
    this.#anyStatus ??= onOtherThread(anyStatus).finally(() => this.#anyStatus = undefined);
    await this.#control.sleep(this.#anyStatus);
  }

  /**
   * While this thread sleeps in waitpid(2) no listener runs; a signal breaks it, but one that comes just before it
   * begins does not. So a clock breaks it, too, as long as stops come; and it breaks any wait when the time of a call is
   * over that was made again.
   */
  #tick(on: boolean): void {
    const end = this.#stops.calls.soonestEnd;
    if (on === this.#ticking && end === undefined && this.#alarmEnd === undefined) return;
    const left = end === undefined ? undefined : Math.max(end - performance.now(), SOON_MS);
    if (on) setAlarm(Math.min(left ?? SLICE_MS, SLICE_MS), SLICE_MS);
    else setAlarm(left ?? 0, 0);
    this.#ticking = on;
    this.#alarmEnd = end;
  }

  /** Once, when no thread is on its way to its first stop any more. */
  #announce(): void {
    for (const thread of this.#stops.table.threads) if (!thread.started) return;
    this.#announced = true;
    verbose(`Watching ${this.#stops.table.size} threads with ptrace`);
  }

  /** Who waits at a stop for a program that is stopped itself would hang: they run free meanwhile. */
  #suspend(): void {
    const before = new WatchedProcesses(this.#stops.table.threads);
    this.#letGo();
    const left = [...this.#stops.table.threads];
    const [first] = left;
    if (first === undefined) {
      this.#control.suspend();
      writeStderr(`procout: ${GAP_TEXT}`);
    } else {
      this.#control.stay();
      for (const thread of left) thread.interrupted = true;
      writeStderr(`procout: Not stopped: thread ${first.tid} cannot be let go of now`);
    }
    this.#stops.detaching = false;
    this.#announced = false;
    attachAll(this.#stops, this.#request, this.#options, before.remaining());
    for (const pid of before.pids) {
      if (this.#stops.table.process(pid) !== undefined) continue;
      this.#receiver.receive({
        kind: "end",
        time: performance.timeOrigin + performance.now(),
        pid,
        status: undefined,
      });
    }
  }

  [Symbol.dispose](): void {
    this.#letGo();
  }

  /** Whether all that are left are in uninterruptible sleep. */
  #areAsleep(): boolean {
    return [...this.#stops.table.threads].every(({ tid, process: { pid } }) =>
      readStat(pid, tid)?.state === "D"
    );
  }

  /** Let every thread go, in the state it is in and in the call it is in. */
  #letGo(): void {
    setAlarm(0, 0);
    this.#ticking = false;
    this.#alarmEnd = undefined;
    this.#stops.detaching = true;
    this.#stops.holding = true;
    using _end = { [Symbol.dispose]: () => this.#stops.endHolding() };
    for (const thread of this.#stops.table.threads) {
      try {
        interrupt(thread.tid);
      } catch (error) {
        if (!(error instanceof TraceeDiedError)) throw error;
      }
    }
    const deadline = new Deadline(DETACH_SECONDS);
    const short = new Deadline(SLEEPER_SECONDS);
    while (!this.#stops.isEmpty) {
      const tid = waitAnyNow();
      if (tid < 0) return;
      if (tid > 0) this.#stops.handle(tid, lastStatus());
      else if (deadline.passed || short.passed && this.#areAsleep()) return;
      else {
        if (short.passed) this.#stops.endHolding();
        this.#stops.resolveEarly();
        usleep(DETACH_PAUSE_US);
      }
    }
  }
}
