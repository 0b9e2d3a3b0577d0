/** What is told of a job that has been moved: to the next reptyr, by the record, and to the service of its new terminal. */
import { toIdentity } from "../../proc/process_identity.ts";
import { readStat, type Stat } from "../../proc/stat.ts";
import { deviceFile } from "../../tty/master.ts";
import { usersOf } from "../inspect/terminal_users.ts";
import type { JobRecord } from "../record/job_record.ts";
import { recordFor } from "../record/known_records.ts";
import type { PublishedRecord } from "../record/published_record.ts";
import { isIn, type RelayedGroups } from "../record/relayed_groups.ts";
import type { Attachment, LeftBehind } from "./attachment.ts";
import type { Attempt } from "./attempt.ts";
import type { Job } from "./job/job.ts";
import { relayedGroupsOf, wholeGroup } from "./job/relayed_members.ts";
import type { OldSettings } from "./screen/old_settings.ts";
import type { StoppedJob } from "./stop_job.ts";
import type { Switched } from "./switch_terminal.ts";

/**
 * Tell the next reptyr of the job of `stopped` by `record`; what serving its terminal needs to know. `switched` is what the
 * change of terminals has brought about, `old` the settings before.
 */
export function announce(
  { facts, pty, options, otherRecords }: Attempt,
  { job, leftInPgrp, keepsSession, suspension }: StoppedJob,
  { shell, isWaiting, shields }: Switched,
  record: PublishedRecord,
  old: OldSettings,
): Attachment {
  const { target } = record;
  const earlier = recordFor(target, otherRecords);
  const relayed = keepsSession ? wholeGroup(job) : relayedGroupsOf(job, earlier?.groups);
  const parent = shell ?? earlier?.shell;
  const said = options.alone ? NOBODY : ownWord(job, relayed);
  const publish = () =>
    record.write({
      target,
      ...parent === undefined ? {} : { shell: parent },
      ...said,
      bystanders: facts.bystanders.map(toIdentity),
      shields: shields.map(({ record }) => record).filter((one) => one !== undefined),
    });
  publish();
  return {
    target: facts.pid,
    relayed,
    gate: job.gate,
    usesTerminal: usersOf({ ...deviceFile(pty.slave), live: true }),
    shell: parent,
    keepsSession,
    shields,
    paintsItself: suspension.isScreenRight,
    oldSize: old.size,
    publish,
    ...shell === undefined || !isWaiting ? {} : { left: leftIn(shell.pid, job, leftInPgrp) },
  };
}

const NOBODY = { groups: [], members: [] };

/** The next reptyr believes us with our authority: what is known only on the word of a lesser one is left out. */
function ownWord(
  { others, gate }: Job,
  { groups, processes }: RelayedGroups,
): Required<Pick<JobRecord, "groups" | "members">> {
  const limited = processes.filter((one) => gate.isLimited(one)).map(({ pid }) => readStat(pid));
  return {
    groups: groups.filter((group) => !limited.some((stat) => stat && isIn(group, stat))),
    members: others.map(({ stat }) => toIdentity(stat)).filter((one) => !gate.isLimited(one)),
  };
}

function leftIn(shell: number, { target }: Job, leftInPgrp: readonly Stat[]): LeftBehind {
  const groups = leftInPgrp.map(({ pid }) => readStat(pid)?.pgrp).filter((group) =>
    group !== undefined
  );
  return { process: target.stat, shell, group: groups[0] ?? target.stat.pgrp };
}
