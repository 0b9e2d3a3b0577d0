/** Letting threads go, those included that are dead or have not stopped yet. */
import { architectureOf, type BlockedCall } from "../arch/mod.ts";
import { usleep } from "../ffi/process.ts";
import { StopTimeoutError, TraceeDiedError } from "../errors.ts";
import { verbose } from "../log.ts";
import { readStatus } from "../proc/status.ts";
import { notedBlockedCall, takeBlockedCall } from "./blocked_calls.ts";
import { withoutForbiddenRestart } from "./call_filter.ts";
import { detach, getRegisters, setRegisters } from "./ptrace.ts";
import { insist } from "./insist.ts";
import { Deadline, hasExited, statusBefore, statusNow } from "./wait.ts";

/**
 * Let stopped threads go. One that is dead by now, since SIGKILL came or a thread let go before ended the
 * process, stays a zombie until its tracer waits for it; and as long as one thread does, the process
 * has not ended for anybody, its parent included.
 *
 * All that can be let go are, whatever goes wrong with others; the first error is thrown then.
 *
 * Those whose call the stop has broken come last; of these as of the others the first thread comes before the rest. A
 * signal that a process ignores is queued while the thread that it is sent to is traced, sig_ignored() in kernel/signal.c:
 * kill(2) sends it to the first thread, the end of a child to the one that begot it. The kernel then wakes any thread that
 * does not block it. A thread that is let go before, and is in such a call again, would return EINTR for nothing.
 */
export function releaseThreads(pid: number, tids: readonly number[]): void {
  using errors = new DisposableStack();
  const rank = (tid: number) => (isBroken(tid) ? 2 : 0) + (tid === pid ? 0 : 1);
  const dead = tids.toSorted((a, b) => rank(a) - rank(b)).filter((tid) => {
    try {
      return !releaseThread(tid);
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

/** A thread that is not let go stands still until this program ends, and with it the terminal that it is on by then. */
const DETACH_TRIES = 50;

/** Whether the thread, which is let go, lives. `signal` is one that it is in the signal-delivery-stop of. */
function releaseThread(tid: number, signal = 0): boolean {
  try {
    broken.delete(tid);
    const blocked = takeBlockedCall(tid);
    if (blocked !== undefined) restartLate(tid, blocked);
    insist(() => detach(tid, signal), DETACH_TRIES);
    return true;
  } catch (error) {
    if (error instanceof TraceeDiedError) return false;
    throw error;
  }
}

/** Threads that stand still in a call which is made again for they have been repaired. */
const broken = new Set<number>();

function isBroken(tid: number): boolean {
  return broken.has(tid) || notedBlockedCall(tid) !== undefined;
}

/**
 * Have the kernel make a call again that the stop made return EINTR, or that it would end the process for. Done as soon as a thread has stopped, it also
 * serves if this program is killed.
 */
export function restart(tid: number): void {
  const registers = insist(() => getRegisters(tid));
  const arch = architectureOf(registers.length);
  if (arch === undefined || arch.earlyRestart !== undefined) return;
  const restarted = withoutForbiddenRestart(tid, arch, arch.withRestart(registers));
  if (restarted === registers) return;
  insist(() => setRegisters(tid, restarted));
  broken.add(tid);
}

/**
 * Have the call made again that the stop alone broke, as a thread is let go that was stopped and nothing else. `signal`
 * is one that it is about to be given, `blocked` what was noted of it.
 */
export function restartOnRelease(
  tid: number,
  signal: number,
  blocked: BlockedCall | undefined,
): void {
  if (blocked === undefined) restart(tid);
  else restartLate(tid, blocked, signal);
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
 * The same where the kernel decides before the stop: it cannot be told to look for handlers once more. So it is done as
 * late as can be, and not for a thread in which one is about to run. `signal` is one that it is about to be given.
 */
export function restartLate(tid: number, blocked: BlockedCall, signal = 0): void {
  const registers = insist(() => getRegisters(tid));
  const restarted = architectureOf(registers.length)?.withRestart(registers, blocked) ?? registers;
  if (restarted === registers || hasSignalToHandle(tid, signal)) return;
  insist(() => setRegisters(tid, restarted));
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
      const { kind } = statusBefore(pid, tid, deadline);
      if (kind === "exited" || kind === "signaled") return;
    }
  } catch (error) {
    // Waited for already, when its end was noticed; or it takes its time, and ends with this program.
    if (!(error instanceof TraceeDiedError || error instanceof StopTimeoutError)) throw error;
  }
}

/** Threads that are ours to let go or to wait for, but not yet. */
const strays = new Map<number, { readonly pid: number; readonly asItIs: boolean }>();

/**
 * Leave threads to {@linkcode releaseStrays}: running ones that were asked to stop, and must not stay stopped once
 * they do; a leader that has exited, whose end is reported when all other threads have ended. `asItIs`: nothing is put
 * right in them, as they come back to themselves.
 */
export function leaveAsStrays(pid: number, tids: readonly number[], asItIs = false): void {
  for (const tid of tids) strays.set(tid, { pid, asItIs });
  if (releaseStrays() > 0) watchStrays();
}

/** Whether thread `tid` was one: it has been asked to stop, and is the caller's now. */
export function takeBackStray(tid: number): boolean {
  return strays.delete(tid);
}

/** Strays that live, and have not stopped yet. */
export function livingStrays(): number[] {
  releaseStrays();
  return [...strays].filter(([tid, { pid }]) => !hasExited(pid, tid)).map(([tid]) => tid);
}

/** While this program lives on, a stray that stops would stand still until then. */
const WATCH_MS = 100;
let watch: number | undefined;

function watchStrays(): void {
  if (watch !== undefined) return;
  watch = setInterval(() => {
    // What an exited leader waits for may take days, and is told otherwise.
    const isOver = () => [...strays].every(([tid, { pid }]) => hasExited(pid, tid));
    try {
      if (releaseStrays() > 0 && !isOver()) return;
    } catch (error) {
      verbose(`A thread cannot be let go yet: ${error}`);
      return;
    }
    clearInterval(watch);
    watch = undefined;
  }, WATCH_MS);
  Deno.unrefTimer(watch);
}

/** A thread that can stop does so at once, but on another processor. */
const STRAY_SECONDS = 0.2;
const STRAY_PAUSE_US = 100;

/**
 * Wait a moment for strays that live: this program is about to end, and the kernel, which lets them go then, does
 * not put right the call that the stop has broken.
 */
export function awaitStrays(): void {
  const deadline = new Deadline(STRAY_SECONDS);
  while (releaseStrays() > 0 && !deadline.passed) {
    if ([...strays].every(([tid, { pid }]) => hasExited(pid, tid))) return;
    usleep(STRAY_PAUSE_US);
  }
}

/**
 * Let go of the strays that can be by now; how many are left to try again. When this program ends the kernel
 * lets go of them.
 */
export function releaseStrays(): number {
  for (const [tid, { pid, asItIs }] of strays) {
    try {
      const status = statusNow(pid, tid);
      if (status === undefined) continue;
      strays.delete(tid);
      if (status.kind === "exited" || status.kind === "signaled") continue;
      if (!asItIs) restart(tid);
      releaseThread(tid, status.kind === "signal-delivery-stop" ? status.signal : 0);
    } catch (error) {
      if (!(error instanceof TraceeDiedError)) throw error;
      strays.delete(tid);
    }
  }
  return strays.size;
}
