/** Waiting for a tracee, always with an end: rule 1 of docs/architecture.md. */
import { StopTimeoutError, TraceeDiedError } from "../errors.ts";
import { __WALL, PTRACE_CONT, WNOHANG } from "../ffi/constants.ts";
import { libc } from "../ffi/libc.ts";
import { raw } from "../ffi/raw.ts";
import { usleep } from "../ffi/process.ts";
import { isDeadState, readStat } from "../proc/stat.ts";
import { readWchan } from "../proc/tasks.ts";
import { resume } from "./ptrace.ts";
import { decodeWaitStatus, type WaitStatus } from "./wait_status.ts";

/** A moment on the monotonic clock after which waiting is given up. */
export class Deadline {
  readonly #end: number;

  constructor(readonly seconds: number) {
    this.#end = performance.now() + seconds * 1000;
  }

  get passed(): boolean {
    return performance.now() >= this.#end;
  }
}

/** A tracee that can stop at all does so within microseconds: this often without a pause. */
const BUSY_TRIES = 100;
const FIRST_PAUSE_US = 20;
const LONGEST_PAUSE_US = 2000;

/**
 * To give up on a thread that has our registers is to lose it, so the user's own limit, which is about
 * stopping, does not apply then. This one is for machines that stand still themselves.
 */
const ON_LOAN_SECONDS = 60;

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
 * TraceeDiedError when the thread is nobody's to wait for. Without a deadline of the caller's it is one for threads
 * on loan, which stop within microseconds on any machine that runs.
 */
export function statusBefore(
  pid: number,
  tid: number,
  deadline = new Deadline(ON_LOAN_SECONDS),
): WaitStatus {
  let pause = FIRST_PAUSE_US;
  for (let tries = 0;; tries++) {
    const status = statusNow(pid, tid);
    if (status !== undefined) return status;
    if (tries < BUSY_TRIES) continue;
    // The end of a leader is not reported before all other threads have been waited for.
    if (hasExited(pid, tid)) return statusNow(pid, tid) ?? { kind: "exited", status: 0 };
    if (deadline.passed) {
      const state = readStat(pid, tid)?.state ?? "?";
      throw new StopTimeoutError(pid, tid, deadline.seconds, state, readWchan(pid, tid));
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
  deadline?: Deadline,
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
