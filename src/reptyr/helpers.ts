/**
 * Processes that moved with the target but are not in its session. The keyboard's signals and the window's go to
 * the foreground process group of the new terminal, and that is the target's: for them we pass those on.
 */
import { close } from "../ffi/descriptor.ts";
import { pidfdOpen, pidfdSendSignal } from "../ffi/process.ts";
import { isLive, readStat, type Stat } from "../proc/stat.ts";
import { listPids } from "../proc/tasks.ts";
import type { HelperGroup } from "./job_record.ts";

export interface Helpers {
  /** The process groups that they are in now, with the session that they are still in. */
  readonly groups: readonly HelperGroup[];
  readonly pids: readonly number[];
}

/** Send `signal` to every process of the helpers' groups, to children that were born since too. */
export function signalHelpers({ groups }: Helpers, signal: number): void {
  if (groups.length === 0) return;
  for (const pid of listPids()) {
    // A group's number is used again once the group is empty, but not in this session with these members.
    const pidfd = pidfdOpen(pid);
    if (pidfd < 0) continue;
    const stat = readStat(pid);
    if (stat !== undefined && groups.some((group) => isIn(group, stat))) {
      pidfdSendSignal(pidfd, signal);
    }
    close(pidfd);
  }
}

/** Those of the helpers that live, with what they are known by from now on: pidfd_open(2). */
export function watchHelpers({ pids, groups }: Helpers, cleanup: DisposableStack): number[] {
  return pids.map((pid) => ({ pid, pidfd: pidfdOpen(pid) })).filter(({ pid, pidfd }) => {
    if (pidfd < 0) return false;
    cleanup.defer(() => close(pidfd));
    const stat = readStat(pid);
    return stat !== undefined && isLive(stat) &&
      groups.some(({ session }) => stat.session === session);
  }).map(({ pidfd }) => pidfd);
}

/** Whether the process of `stat` is in that group. */
export function isIn({ session, pgrp }: HelperGroup, stat: Stat): boolean {
  return stat.session === session && stat.pgrp === pgrp;
}
