/** Threads that are about to be let go, which wait for the other threads of their process. */
import { ASK_BEFORE_STOP } from "../../arch/mod.ts";
import { detach } from "../../tracee/ptrace.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import { restartCall, unlessDead } from "./restart.ts";
import type { Thread } from "./table.ts";

/** A thread in the stop that it is let go from. */
export interface HeldThread {
  readonly thread: Thread;
  /** The one that it is in the signal-delivery-stop of; 0 for none. */
  readonly signal: number;
  /** Whether it makes a call again then, which a stop has broken. */
  readonly isBroken: boolean;
}

/** The order to let the threads of a process go in: releaseThreads() of src/tracee/release.ts says why. */
export function inOrderOfRelease(held: readonly HeldThread[]): readonly HeldThread[] {
  return held.toSorted((a, b) => rank(a) - rank(b));
}

function rank({ thread: { tid, process: { pid } }, isBroken }: HeldThread): number {
  return (isBroken ? 2 : 0) + (tid === pid ? 0 : 1);
}

/**
 * Have the call of a thread made again that is about to be held; whether there may be such a call. On processors where the registers are to be changed as late
 * as can be, {@linkcode letGoOf} does it.
 */
export function repairToHold(thread: Thread, signal = 0): boolean {
  if (!ASK_BEFORE_STOP) return restartCall(thread, signal);
  return thread.broken !== undefined || TRACE_SESSION.blockedCalls.isBroken(thread.tid);
}

export function letGoOf({ thread, signal, isBroken }: HeldThread): void {
  if (isBroken && ASK_BEFORE_STOP) restartCall(thread, signal);
  letGo(thread.tid, signal);
}

/** Let `tid` go for good; one that is dead needs no letting go. */
export function letGo(tid: number, signal = 0): void {
  unlessDead(() => detach(tid, signal));
}
