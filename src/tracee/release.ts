/** Letting stopped threads go, those included that are dead. */
import { architectureOf, type BlockedCall } from "../arch/mod.ts";
import { StopTimeoutError, TraceeDiedError } from "../errors.ts";
import { usleep } from "../ffi/process.ts";
import { readFrozen } from "../proc/freezer.ts";
import { readStatus } from "../proc/status.ts";
import type { BlockedCalls } from "./blocked_calls.ts";
import { withoutForbiddenRestart } from "./call_filter.ts";
import { detach, getRegisters, setRegisters } from "./ptrace.ts";
import { retrySyscall } from "./retry_syscall.ts";
import { Deadline, nextStatus, waitOut } from "./wait.ts";

/**
 * Let stopped threads go. A thread may be dead by now: SIGKILL came, or a thread that was let go before ended the
 * process. A dead thread stays a zombie until its tracer waits for it. As long as one thread is a zombie, the end of the
 * process is reported to no other process, its parent included.
 *
 * Every thread is tried, whatever goes wrong with others; the first error is thrown then.
 *
 * The threads whose call the stop has broken come last; of these as of the others the first thread comes before the rest. A
 * signal that a process ignores is queued while the thread that it is sent to is traced, sig_ignored() in kernel/signal.c:
 * kill(2) sends it to the first thread, the end of a child sends SIGCHLD to the thread that forked the child. The kernel
 * then wakes any thread that does not block it. A thread that is let go before, and is in such a call again, would return
 * EINTR for nothing.
 */
export function releaseThreads(
  blockedCalls: BlockedCalls,
  pid: number,
  tids: readonly number[],
): void {
  using errors = new DisposableStack();
  const rank = (tid: number) => (blockedCalls.isBroken(tid) ? 2 : 0) + (tid === pid ? 0 : 1);
  const dead = tids.toSorted((a, b) => rank(a) - rank(b)).filter((tid) => {
    try {
      return !releaseThread(blockedCalls, tid);
    } catch (error) {
      errors.defer(() => {
        throw error;
      });
      return false;
    }
  });
  // The kernel reports a leader's end only when all other threads have been waited for.
  for (const tid of dead) if (tid !== pid) reapThread(pid, tid);
  if (dead.includes(pid)) reapThread(pid, pid);
}

/** A dozen system calls take microseconds; a machine may stand still. */
const RETURN_SECONDS = 0.5;
const RETURN_PAUSE_US = 50;

/**
 * Let the main thread of a process go, which restores its own registers then, and the other threads when it has done so:
 * they must not see what it undoes on its way. The signal mask of the main thread becomes `mask` at the end.
 */
export function releaseReturning(
  blockedCalls: BlockedCalls,
  { pid, mainTid }: { readonly pid: number; readonly mainTid: number },
  others: readonly number[],
  mask: bigint,
): void {
  using rest = new DisposableStack();
  rest.defer(() => releaseThreads(blockedCalls, pid, others));
  releaseThreads(blockedCalls, pid, [mainTid]);
  if (readFrozen(pid, mainTid) !== undefined) return;
  const deadline = new Deadline(RETURN_SECONDS);
  while (!deadline.passed) {
    if ((readStatus(pid, mainTid)?.sigBlocked ?? mask) === mask) return;
    usleep(RETURN_PAUSE_US);
  }
}

/** A thread that is not let go stays stopped until this program ends. */
const DETACH_TRIES = 50;

/** Whether the thread, which is let go, lives. `signal` is one that it is in the signal-delivery-stop of. */
export function releaseThread(blockedCalls: BlockedCalls, tid: number, signal = 0): boolean {
  try {
    const blocked = blockedCalls.take(tid);
    if (blocked !== undefined) restartLate(tid, blocked);
    retrySyscall(() => detach(tid, signal), DETACH_TRIES);
    return true;
  } catch (error) {
    if (error instanceof TraceeDiedError) return false;
    throw error;
  }
}

/**
 * Have the kernel make a call again that the stop made return EINTR, or that it would end the process for. Done as soon as a thread has stopped, it also
 * serves if this program is killed. Whether there was such a call.
 */
export function restart(tid: number): boolean {
  const registers = retrySyscall(() => getRegisters(tid));
  const arch = architectureOf(registers.length);
  if (arch === undefined || arch.earlyRestart !== undefined) return false;
  const restarted = withoutForbiddenRestart(tid, arch, arch.withRestart(registers));
  if (restarted === registers) return false;
  retrySyscall(() => setRegisters(tid, restarted));
  return true;
}

/**
 * Have the call made again that the stop alone broke, as a thread is let go that was stopped and nothing else. `signal`
 * is one that it is about to be given, `blocked` what was noted of it. Whether it was in such a call.
 */
export function restartOnRelease(
  tid: number,
  signal: number,
  blocked: BlockedCall | undefined,
): boolean {
  if (blocked === undefined) return restart(tid);
  restartLate(tid, blocked, signal);
  return true;
}

/** {@linkcode restart} after something has failed, which may have been that: for as many as can be. */
export function restartAll(tids: readonly number[]): void {
  for (const tid of tids) {
    try {
      restart(tid);
    } catch {
      // What failed first is told.
    }
  }
}

/**
 * The same for a processor where the kernel decides before the stop: it cannot be told to look for handlers once more. So
 * the registers are changed as late as can be, and not in a thread that is about to run a handler. `signal` is one that the
 * thread is about to be given.
 */
export function restartLate(tid: number, blocked: BlockedCall, signal = 0): void {
  const registers = retrySyscall(() => getRegisters(tid));
  const restarted = architectureOf(registers.length)?.withRestart(registers, blocked) ?? registers;
  if (restarted === registers || hasSignalToHandle(tid, signal)) return;
  retrySyscall(() => setRegisters(tid, restarted));
}

/** Whether a handler runs as soon as the thread goes on, which may be given `signal` then. */
export function hasSignalToHandle(tid: number, signal: number): boolean {
  const status = readStatus(tid);
  if (status === undefined) return false;
  const { sigPending, sharedPending, sigBlocked, sigCaught } = status;
  const given = signal === 0 ? 0n : 1n << BigInt(signal - 1);
  return (((sigPending | sharedPending) & ~sigBlocked | given) & sigCaught) !== 0n;
}

/** SIGKILL takes effect at once, but on another processor. */
const REAP_SECONDS = 1;

function reapThread(pid: number, tid: number): void {
  const deadline = new Deadline(REAP_SECONDS);
  try {
    for (;;) {
      const { kind } = waitOut(nextStatus(pid, tid, deadline));
      if (kind === "exited" || kind === "signaled") return;
    }
  } catch (error) {
    // Waited for already, when its end was noticed; or it takes its time, and ends with this program.
    if (!(error instanceof TraceeDiedError || error instanceof StopTimeoutError)) throw error;
  }
}
