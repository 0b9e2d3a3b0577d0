/**
 * Process groups that moved with a target, and are not in its session: the keyboard and the window of the new terminal do
 * not reach them by themselves. Pure.
 */
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import type { RelayedGroup } from "./job_record.ts";

export interface RelayedGroups {
  /** The process groups that they are in now, with the session that they are still in. */
  readonly groups: readonly RelayedGroup[];
  readonly processes: readonly ProcessIdentity[];
}

/** Whether the process is in that group. A number is used again when the group is empty, but hardly in the same session. */
export function isIn(
  { session, pgrp }: RelayedGroup,
  process: { readonly session: number; readonly pgrp: number },
): boolean {
  return process.session === session && process.pgrp === pgrp;
}
