/**
 * The calls that threads were blocked in before they were asked to stop, for processors that do not show it
 * afterwards: `earlyRestart` in `arch/`.
 */
import { ASK_BEFORE_STOP, type BlockedCall } from "../arch/mod.ts";
import { usleep } from "../ffi/process.ts";
import { readBlockedCall } from "../proc/blocked_call.ts";

/**
 * How often a thread that runs is looked at: it may be about to enter a call, which the stop would break before it was
 * noted. By number, not by time, so that on a slow machine the thread has its turn, too.
 */
const LOOKS = 30;
const LOOK_PAUSE_US = 100;

const calls = new Map<number, BlockedCall>();

/**
 * To be called before any of `tids` is asked to stop: threads that are on their way into a call have time to get there,
 * while nobody stands still. Those that run on and on are not waited for again.
 */
export function awaitBlockedCalls(pid: number, tids: readonly number[]): void {
  if (!ASK_BEFORE_STOP) return;
  let running = tids;
  for (let look = 0; look < LOOKS; look++) {
    running = running.filter((tid) => readBlockedCall(pid, tid) === undefined);
    if (running.length === 0) return;
    usleep(LOOK_PAUSE_US);
  }
}

/** To be called right before a thread is asked to stop. */
export function noteBlockedCall(pid: number, tid: number): void {
  const call = ASK_BEFORE_STOP ? readBlockedCall(pid, tid) : undefined;
  if (call === undefined) calls.delete(tid);
  else noteCall(tid, call);
}

/** What a thread that stands still is about to enter, and will be stopped in. */
export function noteCall(tid: number, call: BlockedCall): void {
  calls.set(tid, call);
}

/** What was noted of a thread that stands still. */
export function notedBlockedCall(tid: number): BlockedCall | undefined {
  return calls.get(tid);
}

/** What was noted of a thread that is about to be let go; it is forgotten then. */
export function takeBlockedCall(tid: number): BlockedCall | undefined {
  const call = calls.get(tid);
  calls.delete(tid);
  return call;
}
