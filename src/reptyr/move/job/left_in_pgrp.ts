/** The processes of the target's group that it leaves there, or that keep it there. */
import { RefusedError } from "../../../errors.ts";
import { writeStderr } from "../../../log.ts";
import type { Stat } from "../../../proc/stat.ts";
import { readLiveStats } from "../../../proc/stats.ts";
import { processName } from "../../../tracee/attach_facts.ts";
import { refuseAlone } from "../../inspect/alone.ts";
import { othersInTheWay, othersOfGroup } from "../../inspect/job_members.ts";
import type { MoveMode } from "../../inspect/move_options.ts";
import type { PreflightFacts } from "../../inspect/preflight_facts.ts";
import { inTheWay } from "../../inspect/refusals.ts";
import type { Job } from "./job.ts";

/** Throws RefusedError for a target that goes alone: the keys could not be kept from the others of its group. */
export function warnOfKeptSession(pid: number, zombie: Stat, { alone }: MoveMode): void {
  if (alone) {
    throw new RefusedError(
      `Cannot move process ${pid} alone: process ${zombie.pid} of its group has ended, and its parent has not ` +
        "waited for it, which keeps the group from being left",
      [`To move the whole job, run: reptyr ${pid}`],
    );
  }
  writeStderr(
    `reptyr: warning: Process ${pid} stays in its old session, where /dev/tty is the terminal it comes from: ` +
      `process ${zombie.pid} of its group has ended, and its parent ${zombie.ppid} has not waited for it; ` +
      `to move the terminal itself, run: reptyr -T ${pid}`,
  );
}

/** The others of the target's group, which is to go alone. Throws RefusedError when it cannot. */
export function leftBehind({ target, gate }: Job, { command }: PreflightFacts): readonly Stat[] {
  const table = readLiveStats();
  refuseAlone({ pid: target.pid, command }, target.stat, table);
  const others = othersOfGroup(target.stat, table);
  const strangers = othersInTheWay(target.stat, table).filter((stat) => !gate.admits(stat))
    .map(({ pid }) => ({ ...processName(pid), ttyNr: 0 }));
  const refused = inTheWay({ pid: target.pid, command }, strangers);
  if (refused !== undefined) throw refused;
  return others;
}

/** Programs that suspend themselves send the stop to their whole group: not when some of it would really stop. */
export function mayAsk(
  leftInPgrp: readonly Stat[],
  { members }: Job,
  { bystanders }: PreflightFacts,
): boolean {
  return bystanders.length === 0 &&
    leftInPgrp.every(({ pid }) => members.some((member) => member.pid === pid));
}
