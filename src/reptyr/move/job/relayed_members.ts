/** Which members of a job that has been moved are relayed, and in which groups: signal_relay.ts. */
import { readStat } from "../../../proc/stat.ts";
import { leftInOldSession } from "../../inspect/job_members.ts";
import type { RelayedGroup } from "../../record/job_record.ts";
import { isIn, type RelayedGroups } from "../../record/relayed_groups.ts";
import type { Job } from "./job.ts";

/**
 * The members that the keys are for though they are not in the target's session: members of its group, which are in
 * another now, and of the group that was in the foreground; and members that an earlier move left so, which told of
 * `groupsThen`. The groups are those that they are in now, as we number groups.
 */
export function relayedGroupsOf(
  { target, members, others, alone }: Job,
  groupsThen: readonly RelayedGroup[] | undefined,
): RelayedGroups {
  if (alone) return { groups: [], processes: [] };
  const { pid, stat: { session, pgrp, tpgid } } = target;
  const earlier = new Set(
    leftInOldSession(target.stat, members.map(({ stat }) => stat)).map(({ pid }) => pid),
  );
  const left = others.map(({ stat }) => stat).filter((stat) =>
    session !== pid
      ? stat.pgrp === pgrp || stat.pgrp === tpgid
      : earlier.has(stat.pid) && (groupsThen?.some((group) => isIn(group, stat)) ?? true)
  );
  const groups = new Map(left.map((stat) => {
    const group = { session: stat.session, pgrp: readStat(stat.pid)?.pgrp ?? stat.pgrp };
    return [group.pgrp, group];
  }));
  return { groups: [...groups.values()], processes: left };
}

/** For a target that stays where it is: the keys are for the whole of its group. */
export function wholeGroup({ target: { stat: { session, pgrp } }, others }: Job): RelayedGroups {
  const processes = others.map(({ stat }) => stat).filter((stat) => stat.pgrp === pgrp);
  return { groups: [{ session, pgrp }], processes };
}
