/** Gathers what refusals.ts judges a target by: its threads, descriptors and terminal, its job, and what is near the job. */
import { readWordBytes } from "../../proc/auxv.ts";
import { readFds } from "../../proc/fds.ts";
import { readable } from "../../proc/gone.ts";
import { isMachineInit } from "../../proc/init.ts";
import { isSame } from "../../proc/process_identity.ts";
import { throughThread } from "../../proc/threads.ts";
import { processName } from "../../tracee/attach_facts.ts";
import type { JobRecord } from "../record/job_record.ts";
import { evidenceOf } from "./job_evidence.ts";
import {
  bystandersOf,
  descendantsOf,
  jobMembers,
  othersInTheWay,
  type ProcessEntry,
} from "./job_members.ts";
import { oldTerminal } from "./old_terminal.ts";
import type { NamedProcess, TargetFacts } from "./refusals.ts";
import { readAttachFactsOf, readSurroundings, type Surroundings } from "./surroundings.ts";

/** The facts about process `pid`. Undefined when there is no such process, or it ends while we look at it. */
export function gather(pid: number, around = readSurroundings()): TargetFacts | undefined {
  const attach = readAttachFactsOf(pid, around);
  if (attach === undefined) return undefined;
  const { stat, status } = attach;

  const { table } = around;
  const self: ProcessEntry = { ...stat, pid };
  const shown = throughThread(pid, (tid) => ({
    tid,
    fds: readable(() => readFds(pid, tid)),
    wordBytes: readWordBytes(pid, tid),
  }));
  const terminal = shown?.fds && oldTerminal(stat.ttyNr, shown.fds);
  const from = { nsPid: status.nsPid, terminal: terminal?.identity };
  const evidence = evidenceOf(from, earlierRecord(self, around));
  const members = jobMembers(self, table, Deno.pid, evidence);
  const bystanders = bystandersOf(self, table, members, evidence.earlier?.groups);
  const inGroup = bystanders.filter(({ pgrp }) => pgrp === stat.pgrp);
  const below = descendantsOf(pid, table);

  return {
    ...attach,
    tid: shown?.tid,
    threadOf: status.tgid === pid ? undefined : namedProcess(status.tgid, 0),
    wordBytes: shown?.wordBytes,
    isSelf: pid === Deno.pid,
    isAncestor: around.ancestors.includes(pid),
    isMachineInit: isMachineInit(pid),
    fds: shown?.fds,
    members,
    bystanders,
    inGroup: inGroup.filter(({ pid }) => pid !== Deno.pid).map(({ pid }) => namedProcess(pid, 0)),
    inTheWay: othersInTheWay(self, bystanders).map(({ pid }) => namedProcess(pid, 0)),
    descendantsOnTerminals: table
      .filter((entry) => below.has(entry.pid) && entry.ttyNr !== 0)
      .map(({ pid, ttyNr }) => namedProcess(pid, ttyNr)),
  };
}

/** The record of an earlier move. Only a session leader has one, and it is looked for only where another reptyr runs. */
function earlierRecord(
  target: ProcessEntry,
  { table, records }: Surroundings,
): JobRecord | undefined {
  if (target.pid !== target.session) return undefined;
  const own = table.find(({ pid }) => pid === Deno.pid)?.comm;
  const hasOthers = table.some(({ pid, comm }) => comm === own && pid !== Deno.pid);
  return hasOthers ? records().find((record) => isSame(record.target, target)) : undefined;
}

function namedProcess(pid: number, ttyNr: number): NamedProcess {
  return { ...processName(pid), ttyNr };
}
