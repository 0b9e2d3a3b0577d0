/**
 * The calls that threads were blocked in before they were asked to stop, for processors that do not show it
 * afterwards: `earlyRestart` in `arch/`.
 */
import { ASK_BEFORE_STOP, type BlockedCall } from "../arch/mod.ts";
import { usleep } from "../ffi/process.ts";
import { mayEnterCall, readBlockedCall } from "../proc/blocked_call.ts";
import { listTids } from "../proc/tasks.ts";
import { pollUntilNone } from "./poll_until.ts";

const PAUSE_US = 100;

/**
 * To be called for all processes that are to stop, before the first thread of them is asked. A running thread may be on
 * its way into a call, which its stop would break unnoted. The thread has a few milliseconds to get there, and no other
 * thread is stopped meanwhile.
 */
export function awaitBlockedCalls(pids: readonly number[]): void {
  if (!ASK_BEFORE_STOP) return;
  awaitThreads(pids.flatMap((pid) => (listTids(pid) ?? []).map((tid) => ({ pid, tid }))));
}

/** The same for threads that were cloned while others were being stopped. */
export function awaitBlockedCallsOf(pid: number, tids: readonly number[]): void {
  if (ASK_BEFORE_STOP) awaitThreads(tids.map((tid) => ({ pid, tid })));
}

function awaitThreads(threads: readonly { readonly pid: number; readonly tid: number }[]): void {
  pollUntilNone(threads, ({ pid, tid }) => mayEnterCall(pid, tid), () => usleep(PAUSE_US));
}

/** Of threads that were asked to stop, until they are let go. */
export class BlockedCalls {
  readonly #calls = new Map<number, BlockedCall>();
  /** Threads whose broken call is made again, for their registers have been set so. */
  readonly #repaired = new Set<number>();

  /** To be called right before a thread is asked to stop. */
  note(pid: number, tid: number): void {
    const call = ASK_BEFORE_STOP ? readBlockedCall(pid, tid) : undefined;
    if (call === undefined) this.#calls.delete(tid);
    else this.set(tid, call);
  }

  /** The call that a stopped thread is about to enter, and will be stopped in. */
  set(tid: number, call: BlockedCall): void {
    this.#calls.set(tid, call);
  }

  /** What was noted of a stopped thread. */
  get(tid: number): BlockedCall | undefined {
    return this.#calls.get(tid);
  }

  noteRepaired(tid: number): void {
    this.#repaired.add(tid);
  }

  /** Whether a stopped thread enters a call again when it is let go. */
  isBroken(tid: number): boolean {
    return this.#repaired.has(tid) || this.#calls.has(tid);
  }

  /** What was noted of a thread that is about to be let go. It is forgotten then. */
  take(tid: number): BlockedCall | undefined {
    this.#repaired.delete(tid);
    const call = this.#calls.get(tid);
    this.#calls.delete(tid);
    return call;
  }
}
