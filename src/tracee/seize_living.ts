/** Becoming the tracer of one thread, which may end or execute another program at that moment. */
import { SyscallError, TraceeDiedError } from "../errors.ts";
import { ERRNO } from "../ffi/errno.ts";
import { readable } from "../proc/gone.ts";
import { lookAgain } from "../proc/look_again.ts";
import { readStat } from "../proc/stat.ts";
import { readStatus } from "../proc/status.ts";
import { seize } from "./ptrace.ts";
import { hasExited } from "./wait.ts";

/** "ours": it was before. "gone": it has ended. */
export type Seizure = "seized" | "ours" | "gone";

/**
 * PTRACE_SEIZE with the PTRACE_O_* bits `options`. EPERM is also the answer for a thread that has ended and is not yet
 * reaped, such as a first thread whose number another takes just then, which executes a program: execve(2), ptrace(2).
 * Throws SyscallError when the kernel refuses again and again, and the thread lives.
 */
export function seizeLiving(pid: number, tid: number, options: number): Seizure {
  const found = lookAgain(
    () => trySeize(pid, tid, options),
    (found) => found instanceof SyscallError,
  );
  if (found instanceof SyscallError) throw found;
  return found;
}

function trySeize(pid: number, tid: number, options: number): Seizure | SyscallError {
  try {
    seize(tid, options);
    return "seized";
  } catch (error) {
    if (error instanceof TraceeDiedError) return "gone";
    if (!(error instanceof SyscallError) || error.errno !== ERRNO.EPERM) throw error;
    if (hasExited(pid, tid)) return "gone";
    return isTracedByUs(tid) ? "ours" : error;
  }
}

/** Whether this program traces thread `tid` already: a new thread of a traced one is from its first moment. */
export function isTracedByUs(tid: number): boolean {
  const tracer = readable(() => readStatus(tid))?.tracerPid ?? 0;
  // TracerPid names the tracing thread, proc_pid_status(5): `deno test` runs this code on another one than the first.
  return tracer === Deno.pid || (tracer > 0 && readStat(Deno.pid, tracer) !== undefined);
}

/** Whether the first thread, which has been looked at, is another by now, that we are not the tracer of. */
export function isOtherFirst(pid: number): boolean {
  return !isTracedByUs(pid) && !hasExited(pid, pid);
}
