/** What a member is in its session and its group, from before the move. Pure. */
import type { Member } from "./member.ts";

export function leadsSession({ pid, stat }: Member): boolean {
  return stat.session === pid;
}

export function leadsGroup({ pid, stat }: Member): boolean {
  return stat.pgrp === pid;
}

/** Whether the member is left behind by the target's setsid() though it is in its group. */
export function isRelayed({ stat }: Member, target: Member): boolean {
  return !leadsSession(target) && stat.pgrp === target.stat.pgrp;
}
