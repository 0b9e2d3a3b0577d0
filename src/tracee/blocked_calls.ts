/**
 * The calls that threads were blocked in before they were asked to stop, for processors that do not show it
 * afterwards: `earlyRestart` in `arch/`.
 */
import { ASK_BEFORE_STOP, type BlockedCall } from "../arch/mod.ts";
import { readBlockedCall } from "../proc/blocked_call.ts";

const calls = new Map<number, BlockedCall>();

/** To be called right before a thread is asked to stop. */
export function noteBlockedCall(pid: number, tid: number): void {
  const call = ASK_BEFORE_STOP ? readBlockedCall(pid, tid) : undefined;
  if (call === undefined) calls.delete(tid);
  else calls.set(tid, call);
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
