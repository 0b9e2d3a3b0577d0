/** Waiting for a tracee, always with an end: rule 1 of docs/architecture.md. */
import { HeldUpError, StopTimeoutError, TraceeDiedError } from "../errors.ts";
import { __WALL, PTRACE_CONT, WNOHANG } from "../ffi/constants.ts";
import { libc } from "../ffi/libc.ts";
import { raw } from "../ffi/raw.ts";
import { usleep } from "../ffi/process.ts";
import { isDeadState, readStat } from "../proc/stat.ts";
import { readWchan } from "../proc/tasks.ts";
import { resume } from "./ptrace.ts";
import { decodeWaitStatus, type WaitStatus } from "./wait_status.ts";

/**
 * To give up on a thread that has our registers, and no safety net, is to lose it. So then the user's own limit, which is
 * about stopping, does not apply.
 */
const ON_LOAN_SECONDS = 60;

/** A moment on the monotonic clock after which waiting is given up. */
export class Deadline {
  readonly #end: number;

  constructor(readonly seconds: number) {
    this.#end = performance.now() + seconds * 1000;
  }

  get passed(): boolean {
    return performance.now() >= this.#end;
  }

  /** Whether to give up on a thread that is in `state` and has not stopped. */
  isOver(_state: string): boolean {
    return this.passed;
  }

  /** What to say then. */
  error(pid: number, tid: number, state: string, where: string): StopTimeoutError {
    return new StopTimeoutError(pid, tid, this.seconds, state, where);
  }
}

/** Not less for a thread that has our registers: it may have to wait for a page, or for a processor. */
const LEAST_LOAN_SECONDS = 1;

/**
 * For a thread that has our registers, which stops within microseconds. One that waits for a processor is given more
 * time: that machine stands still itself.
 */
export class LoanDeadline extends Deadline {
  readonly #longest = new Deadline(ON_LOAN_SECONDS);

  constructor(seconds: number) {
    super(Math.max(seconds, LEAST_LOAN_SECONDS));
  }

  /** For a thread that is lost when it is given up. */
  static longest(): LoanDeadline {
    return new LoanDeadline(ON_LOAN_SECONDS);
  }

  override isOver(state: string): boolean {
    return this.passed && (state !== "R" || this.#longest.passed);
  }

  override error(pid: number, tid: number, state: string, where: string): HeldUpError {
    return new HeldUpError(pid, tid, this.seconds, state, where);
  }
}

/** A tracee that can stop at all does so within microseconds: this often without a pause. */
const BUSY_TRIES = 100;
const FIRST_PAUSE_US = 20;
const LONGEST_PAUSE_US = 2000;

/** A status of thread `tid` that is there already; `undefined` when there is none. */
export function statusNow(pid: number, tid: number): WaitStatus | undefined {
  const status = new Int32Array(1);
  const bytes = new Uint8Array(status.buffer);
  const options = WNOHANG | __WALL;
  const waited = raw(libc().waitpid(tid, bytes, options), "wait4", tid, bytes, options);
  if (waited < 0) throw new TraceeDiedError(pid);
  return waited === tid ? decodeWaitStatus(status[0]!) : undefined;
}

/** Whether the thread has exited, reaped or not. */
export function hasExited(pid: number, tid: number): boolean {
  return isDeadState(readStat(pid, tid)?.state ?? "X");
}

/**
 * The next status of thread `tid` of process `pid`, synchronously. A blocking waitpid could not be bounded:
 * JavaScript's timers do not run during it.
 *
 * Throws StopTimeoutError when none came before the deadline, with what the thread is waiting for, and
 * TraceeDiedError when the thread is nobody's to wait for.
 */
export function statusBefore(pid: number, tid: number, deadline: Deadline): WaitStatus {
  let pause = FIRST_PAUSE_US;
  for (let tries = 0;; tries++) {
    const status = statusNow(pid, tid);
    if (status !== undefined) return status;
    if (tries < BUSY_TRIES) continue;
    // The end of a leader is not reported before all other threads have been waited for.
    const state = readStat(pid, tid)?.state ?? "X";
    if (isDeadState(state)) return statusNow(pid, tid) ?? { kind: "exited", status: 0 };
    if (deadline.isOver(state)) {
      const last = statusNow(pid, tid);
      if (last !== undefined) return last;
      throw deadline.error(pid, tid, state, readWchan(pid, tid));
    }
    usleep(pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE_US);
  }
}

/**
 * Run the thread into the stop that PTRACE_INTERRUPT asked for; `undefined` when it exited instead.
 * Signals that were on their way before are delivered: the pending interrupt stops the thread again
 * before the first instruction of a handler.
 */
export function waitUntilInterrupted(
  pid: number,
  tid: number,
  deadline: Deadline,
): WaitStatus | undefined {
  for (;;) {
    const status = statusBefore(pid, tid, deadline);
    switch (status.kind) {
      case "interrupt-stop":
      case "group-stop":
        return status;
      case "exited":
      case "signaled":
        return undefined;
      case "signal-delivery-stop":
        resume(tid, PTRACE_CONT, status.signal);
        break;
      case "syscall-stop":
      case "event-stop":
        resume(tid, PTRACE_CONT);
        break;
    }
  }
}
