/** Whether the shell that a job is a job of would say that it is stopped. Pure. */
import type { Kin } from "../inspect/process_tree.ts";

export interface Stoppable extends Kin {
  /** As in Stat. */
  readonly state: string;
}

/**
 * A shell waits for its children, waitpid(2) with WUNTRACED: of `members`, those whose parent is none of them. In a
 * stop of a tracer they are in state t, and their parent hears nothing of it.
 */
export function isStoppedJob(members: readonly Stoppable[]): boolean {
  const pids = new Set(members.map(({ pid }) => pid));
  return members.length > 0 &&
    members.every(({ ppid, state }) => pids.has(ppid) || state === "T");
}
