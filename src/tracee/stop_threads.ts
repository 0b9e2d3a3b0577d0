/** Stopping every thread of a process, also the threads that it clones meanwhile. */
import { StopTimeoutError, TraceeDiedError } from "../errors.ts";
import { PTRACE_CONT, PTRACE_O_TRACESYSGOOD } from "../ffi/constants.ts";
import { sleepersOf, sleepsOn } from "../proc/asleep.ts";
import { isDeadState, livingThread, readStat } from "../proc/stat.ts";
import { listTids, readWchan } from "../proc/tasks.ts";
import { awaitBlockedCallsOf } from "./blocked_calls.ts";
import { breakableOf } from "./breakable_calls.ts";
import { interrupt, resume } from "./ptrace.ts";
import { restart } from "./release.ts";
import { isOtherFirst, isTracedByUs, seizeLiving } from "./seize_living.ts";
import type { TraceSession } from "./trace_session.ts";
import { type Deadline, statusNow, untilInterrupted, type Waits } from "./wait.ts";
import type { WaitStatus } from "./wait_status.ts";

/** Threads of a process: the ones that have been looked at, those of them that are ours to trace, and those that have stopped. */
export class Threads {
  readonly stopped: Set<number>;
  readonly #asked: Set<number>;
  readonly #seen: Set<number>;
  /** Whether there were some that had been asked before, and are not waited for. */
  readonly #hasStrays: boolean;
  #breakable: readonly number[] = [];

  /** The threads of `stopped` are stopped already, the threads of `running` have been asked to stop. */
  constructor(
    readonly session: TraceSession,
    readonly pid: number,
    stopped: readonly number[] = [],
    running: readonly number[] = [],
  ) {
    this.#hasStrays = running.length > 0;
    this.stopped = new Set(stopped);
    this.#asked = new Set([...stopped, ...running]);
    this.#seen = new Set(this.#asked);
  }

  /** The threads that are ours and have not stopped. */
  get running(): number[] {
    return [...this.#asked].filter((tid) => !this.stopped.has(tid));
  }

  get isEmpty(): boolean {
    return this.#asked.size === 0;
  }

  /**
   * Ask the threads that have not been seen yet to stop; they are returned. All are asked before the first is waited for,
   * except where threads sleep in a call which the stop breaks: then {@linkcode stop} asks all.
   */
  ask(isFirst = false): readonly number[] {
    const fresh = (listTids(this.pid) ?? []).filter((tid) => !this.#seen.has(tid));
    if (!isFirst) awaitBlockedCallsOf(this.pid, fresh);
    const breakable = breakableOf(this.pid, fresh);
    this.#breakable = leaderLast(this.pid, fresh.filter((tid) => breakable.has(tid)));
    for (const tid of fresh) this.#seen.add(tid);
    if (this.#breakable.length === 0) this.#askAll(fresh);
    return fresh;
  }

  #askAll(tids: readonly number[]): void {
    for (const tid of leaderLast(this.pid, tids)) this.#askOne(tid);
  }

  #askOne(tid: number): void {
    if (this.#asked.has(tid)) return;
    // Asked before in vain, and ours since.
    const isPending = this.session.pendingDetach.takeBack(tid);
    if (!isPending && seizeLiving(this.pid, tid, PTRACE_O_TRACESYSGOOD) === "gone") return;
    this.#asked.add(tid);
    if (!isPending) this.#interrupt(tid);
  }

  #interrupt(tid: number): void {
    try {
      this.session.blockedCalls.note(this.pid, tid);
      interrupt(tid);
    } catch (error) {
      // It ended in between, but we are its tracer now, and it is ours to wait for; or it has another number.
      if (!(error instanceof TraceeDiedError)) throw error;
    }
  }

  /**
   * The process may have executed another program, which ends its threads: forget those that are no more. The first thread
   * may be another by now, which has not been asked. Threads that the new program has made stay what they are. One that has
   * ended is waited for at once: execve(2) is not over before its tracer has done that.
   */
  #forgetGone(): void {
    const { pid } = this;
    for (const tid of this.#asked) {
      const state = readStat(pid, tid)?.state;
      if (state === "t") continue;
      this.stopped.delete(tid);
      const isDead = state === undefined || isDeadState(state);
      if (tid !== pid && (state === undefined || (isDead && hasReported(pid, tid)))) {
        this.#asked.delete(tid);
      }
    }
    if (!this.#seen.has(pid) || !isOtherFirst(pid)) return;
    for (const set of [this.stopped, this.#asked, this.#seen]) set.delete(pid);
  }

  /**
   * Wait for the threads of `first`, which {@linkcode ask} has returned. Running threads may clone new ones meanwhile: go on
   * until a pass finds none. The stops are returned.
   *
   * Threads that sleep in a call which the stop breaks come first, one at a time: each is asked, waited for and repaired
   * before the next is asked. So one call at most stays broken if this program is killed. They come first because a signal
   * that the process ignores would wake a thread that is not traced yet: see releaseThreads().
   */
  *stop(first: readonly number[], deadline: Deadline): Waits<WaitStatus[]> {
    const stops: WaitStatus[] = [];
    const { pid } = this;
    for (let fresh = first; fresh.length > 0 || this.#isExecuting; fresh = this.ask()) {
      if (fresh !== first && deadline.passed) throw tooMany(pid, fresh[0] ?? pid, deadline);
      if (fresh.length === 0) {
        yield { pid, tid: pid };
        this.#forgetGone();
      }
      const breakable = this.#breakable;
      for (const tid of breakable) {
        this.#askOne(tid);
        if (this.#asked.has(tid)) yield* this.#await(tid, deadline, stops);
      }
      const others = fresh.filter((tid) => !breakable.includes(tid));
      if (breakable.length > 0) this.#askAll(others);
      for (const tid of others) {
        if (this.#asked.has(tid)) yield* this.#await(tid, deadline, stops);
      }
    }
    return stops;
  }

  /** Whether a thread that has not been seen executes a program, which has ended or ends those that have stopped. */
  get #isExecuting(): boolean {
    const { pid, stopped } = this;
    const [any] = stopped.has(pid) ? [pid] : stopped;
    if (any === undefined && this.#hasStrays) return false;
    const stands = any !== undefined && readStat(pid, any)?.state === "t";
    return !stands && livingThread(pid) !== undefined;
  }

  *#await(tid: number, deadline: Deadline, stops: WaitStatus[]): Waits<void> {
    const { pid } = this;
    if (this.stopped.has(tid)) return;
    try {
      const status = yield* this.#untilInterrupted(tid, deadline);
      if (status !== undefined) this.#noteStop(tid, status, stops);
    } catch (error) {
      if (!(error instanceof TraceeDiedError) || livingThread(pid) === undefined) throw error;
      if (deadline.passed) throw deadline.error(pid, tid, "X", "");
      // It had stopped when it was ended. Its end is still to be waited for, or it is about to be another first thread.
      this.stopped.delete(tid);
      if (isWithoutNumber(pid, tid)) yield* this.#follow(tid, deadline, stops);
    }
  }

  /** An execve(2) of this thread waits for the ends of those that have stopped. */
  *#untilInterrupted(tid: number, deadline: Deadline): Waits<WaitStatus | undefined> {
    const waits = untilInterrupted(this.pid, tid, deadline);
    for (let looks = 1;; looks++) {
      const turn = waits.next();
      if (turn.done === true) return turn.value;
      if (looks % LOOKS_AT_ONE === 0) this.#forgetGone();
      yield turn.value;
    }
  }

  #noteStop(tid: number, status: WaitStatus, stops: WaitStatus[]): void {
    this.stopped.add(tid);
    // At once: until then the call returns EINTR if this program is killed.
    if (restart(tid)) this.session.blockedCalls.noteRepaired(tid);
    stops.push(status);
  }

  /**
   * Thread `tid` has executed another program. It has the number of the first thread since, and the rest of it: that we are
   * its tracer, and a stop that was asked for. Where we are not its tracer, {@linkcode ask} finds it as one that is new.
   */
  *#follow(tid: number, deadline: Deadline, stops: WaitStatus[]): Waits<void> {
    const { pid } = this;
    this.#asked.delete(tid);
    this.#forgetGone();
    if (!isTracedByUs(pid)) return;
    this.#seen.add(pid);
    this.#asked.add(pid);
    this.stopped.delete(pid);
    // It may have been asked by its old number, by its new one, by neither or by both, and its stop may have been taken for
    // the first thread's. So it is asked for another stop out of that one, after which none is left to come in a call of ours.
    this.#interrupt(pid);
    const stands = readStat(pid, pid)?.state === "t";
    if (!stands) yield* this.#await(pid, deadline, stops);
    if (!stands && !this.stopped.delete(pid)) return;
    try {
      const status = stands ? statusNow(pid, pid) : undefined;
      interrupt(pid);
      resume(pid, PTRACE_CONT, status?.kind === "signal-delivery-stop" ? status.signal : 0);
    } catch (error) {
      if (!(error instanceof TraceeDiedError)) throw error;
    }
    yield* this.#await(pid, deadline, stops);
  }
}

/** How often to look at one thread that does not stop before the others are looked at. */
const LOOKS_AT_ONE = 128;

/** Whether the end of thread `tid` has been reported to us, now or before. */
function hasReported(pid: number, tid: number): boolean {
  try {
    const status = statusNow(pid, tid);
    return status?.kind === "exited" || status?.kind === "signaled";
  } catch (error) {
    if (error instanceof TraceeDiedError) return true;
    throw error;
  }
}

/** Whether thread `tid`, whose tracer we were, has no longer this number. */
function isWithoutNumber(pid: number, tid: number): boolean {
  return tid === pid ? !isTracedByUs(pid) : readStat(pid, tid) === undefined;
}

/**
 * The order to become the tracer of threads in: those that sleep in a call which a stop breaks come first, and of these as
 * of the others the first thread last. See releaseThreads().
 */
export function breakableFirst(pid: number, tids: readonly number[]): number[] {
  const breakable = breakableOf(pid, tids);
  const isOther = (tid: number) => Number(!breakable.has(tid));
  return leaderLast(pid, tids).toSorted((a, b) => isOther(a) - isOther(b));
}

/** The thread that is sent the signals for the process is traced when the others are: see releaseThreads(). */
function leaderLast(pid: number, tids: readonly number[]): number[] {
  return tids.toSorted((a, b) => Number(a === pid) - Number(b === pid));
}

/** For a process that makes threads, or children, faster than they can be stopped. */
export function tooMany(pid: number, latest: number, { seconds }: Deadline): StopTimeoutError {
  const state = readStat(latest)?.state ?? "X";
  const message =
    `Cannot stop process ${pid}: it keeps making threads or children, ${latest} last, ` +
    `and did not stop within ${seconds} s`;
  return new StopTimeoutError(pid, latest, seconds, state, "", message);
}

/**
 * Wait until every thread of `pids` that is in uninterruptible sleep has been out of it. It would not stop before, and
 * the threads that were stopped with it would have to wait with it: so no thread is asked yet.
 */
export function* untilInterruptible(pids: readonly number[], deadline: Deadline): Waits<void> {
  for (const sleeper of sleepersOf(pids)) {
    const { pid, tid } = sleeper;
    while (sleepsOn(sleeper)) {
      if (deadline.passed) throw deadline.error(pid, tid, "D", readWchan(pid, tid));
      yield sleeper;
    }
  }
}
