/** Stopping every thread of a process, also the threads that it clones meanwhile. */
import { StopTimeoutError, SyscallError, TraceeDiedError } from "../errors.ts";
import { PTRACE_O_TRACESYSGOOD } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { sleepersOf, sleepsOn } from "../proc/asleep.ts";
import { readStat } from "../proc/stat.ts";
import { listTids, readWchan } from "../proc/tasks.ts";
import { breakableOf } from "./breakable_calls.ts";
import { awaitBlockedCallsOf } from "./blocked_calls.ts";
import { interrupt, seize } from "./ptrace.ts";
import { restart } from "./release.ts";
import type { TraceSession } from "./trace_session.ts";
import { type Deadline, hasExited, untilInterrupted, type Waits } from "./wait.ts";
import type { WaitStatus } from "./wait_status.ts";

/** Threads of a process: the ones that have been looked at, those of them that are ours to trace, and those that have stopped. */
export class Threads {
  readonly stopped: Set<number>;
  readonly #asked: Set<number>;
  readonly #seen: Set<number>;
  #breakable: readonly number[] = [];

  /** The threads of `stopped` are stopped already, the threads of `running` have been asked to stop. */
  constructor(
    readonly session: TraceSession,
    readonly pid: number,
    stopped: readonly number[] = [],
    running: readonly number[] = [],
  ) {
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
    if (askToStop(this.session, this.pid, tid)) this.#asked.add(tid);
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
    for (let fresh = first; fresh.length > 0; fresh = this.ask()) {
      if (fresh !== first && deadline.passed) throw tooMany(this.pid, fresh[0]!, deadline);
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

  *#await(tid: number, deadline: Deadline, stops: WaitStatus[]): Waits<void> {
    const status = yield* untilInterrupted(this.pid, tid, deadline);
    if (status === undefined) return;
    this.stopped.add(tid);
    // At once: until then the call returns EINTR if this program is killed.
    if (restart(tid)) this.session.blockedCalls.noteRepaired(tid);
    stops.push(status);
  }
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

/** Whether the thread was there to be asked. */
function askToStop(session: TraceSession, pid: number, tid: number): boolean {
  // Asked before in vain, and ours since.
  if (session.pendingDetach.takeBack(tid)) return true;
  try {
    seize(tid, PTRACE_O_TRACESYSGOOD);
  } catch (error) {
    if (error instanceof TraceeDiedError) return false;
    // A thread that has exited but is not yet reaped, such as a dead leader, answers EPERM.
    if (error instanceof SyscallError && error.errno === ERRNO.EPERM && hasExited(pid, tid)) {
      return false;
    }
    throw error;
  }
  try {
    session.blockedCalls.note(pid, tid);
    interrupt(tid);
  } catch (error) {
    // It ended in between, but we are its tracer now, and it is ours to wait for.
    if (!(error instanceof TraceeDiedError)) throw error;
  }
  return true;
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
