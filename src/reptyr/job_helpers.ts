/** Which members of a job that has been moved are helpers: helpers.ts. */
import { readStat } from "../proc/stat.ts";
import { type Helpers, isIn } from "./helpers.ts";
import type { Job } from "./job.ts";
import { earlierHelpers } from "./job_members.ts";
import type { HelperGroup } from "./job_record.ts";

/**
 * Whom the keys are for though they are not in the target's session: those of its group, who are in another now, and
 * of the group that was in the foreground; and whoever was left so by an earlier move, which told of `groupsThen`.
 * Where they are, as we number groups.
 */
export function helpersOf(
  { target, members, helpers, alone }: Job,
  groupsThen: readonly HelperGroup[] | undefined,
): Helpers {
  if (alone) return { groups: [], pids: [] };
  const { pid, stat: { session, pgrp, tpgid } } = target;
  const stats = members.map(({ stat }) => stat);
  const earlier = new Set(earlierHelpers(target.stat, stats, () => true).map(({ pid }) => pid));
  const left = helpers.filter(({ pid: helper, stat }) =>
    session !== pid
      ? stat.pgrp === pgrp || stat.pgrp === tpgid
      : earlier.has(helper) && (groupsThen?.some((group) => isIn(group, stat)) ?? true)
  );
  const groups = new Map(left.map(({ pid, stat }) => {
    const group = { session: stat.session, pgrp: readStat(pid)?.pgrp ?? stat.pgrp };
    return [group.pgrp, group];
  }));
  return { groups: [...groups.values()], pids: left.map(({ pid }) => pid) };
}

/** For a target that stays where it is: the keys are for the whole of its group. */
export function wholeGroup({ target: { stat: { session, pgrp } }, helpers }: Job): Helpers {
  const group = helpers.filter(({ stat }) => stat.pgrp === pgrp);
  return { groups: [{ session, pgrp }], pids: group.map(({ pid }) => pid) };
}
