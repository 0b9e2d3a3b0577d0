/** Orphaned process groups: setpgid(2), credentials(7), "Process groups and sessions". Pure. */

export interface GroupMember {
  readonly pid: number;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
}

/**
 * Whether process group `pgrp` is orphaned: no member has a parent in another group of the same session, who could
 * continue it once it is stopped. `table` holds all live processes.
 */
export function isOrphaned(pgrp: number, table: readonly GroupMember[]): boolean {
  const byPid = new Map(table.map((entry) => [entry.pid, entry]));
  return !table.some((entry) => {
    const parent = byPid.get(entry.ppid);
    return entry.pgrp === pgrp && parent !== undefined && parent.pgrp !== pgrp &&
      parent.session === entry.session;
  });
}
