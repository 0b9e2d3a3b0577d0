/**
 * Looks at the target before anything is done to it: what the move has to know, or why it cannot be moved.
 * Only files in /proc are read; the target is neither stopped nor otherwise disturbed.
 */
import { lookAgain } from "../../proc/look_again.ts";
import { hasEnded } from "../../proc/second_look.ts";

import type { RefusedError } from "../../errors.ts";
import { readWordBytes } from "../../proc/auxv.ts";
import { readCommand } from "../../proc/command.ts";
import { type Descriptor, readFds } from "../../proc/fds.ts";
import { readable } from "../../proc/gone.ts";
import { isMachineInit } from "../../proc/init.ts";
import { readStat, type Stat } from "../../proc/stat.ts";
import type { Status } from "../../proc/status.ts";
import { readLiveStats } from "../../proc/stats.ts";
import { listTids } from "../../proc/tasks.ts";
import { throughThread } from "../../proc/threads.ts";
import {
  type AttachFacts,
  explainAttachFailure,
  mayBePassing,
  type SelfFacts,
} from "../../tracee/attach_failure.ts";
import {
  processName,
  readAttachFacts,
  readSelfFacts,
  readYamaLevel,
} from "../../tracee/attach_facts.ts";
import { refuseAlone } from "./alone.ts";
import { evidenceOf } from "./job_evidence.ts";
import {
  ancestorsOf,
  bystandersOf,
  descendantsOf,
  type JobMember,
  jobMembers,
  othersInTheWay,
  type ProcessEntry,
} from "./job_members.ts";
import type { JobRecord } from "../record/job_record.ts";
import { isOnTerminal, type OldTerminal, oldTerminal } from "./old_terminal.ts";
import { readSharedFilter } from "./filter/filter_facts.ts";
import type { FilterFacts, Kinship } from "./filter/shared_filter.ts";
import { isSuspendedReptyr } from "../gate/suspended.ts";
import {
  inTheWay,
  memberRefusal,
  type NamedProcess,
  refusal,
  type TargetFacts,
} from "./refusals.ts";
import { isSame, type ProcessIdentity } from "../../proc/process_identity.ts";
import type { MoveMode } from "./move_options.ts";

/** What is known of a target that may be moved, as it was a moment ago. */
export interface PreflightFacts {
  readonly pid: number;
  /** A thread that runs: `pid`, unless the first thread has exited before the others. */
  readonly tid: number;
  readonly command: string;
  /** Of the process. */
  readonly stat: Stat;
  /** Of the thread `tid`. */
  readonly status: Status;
  /** Every open descriptor, ascending. */
  readonly fds: readonly Descriptor[];
  /** Numbers of the descriptors open on any terminal. */
  readonly terminals: readonly number[];
  /** The one to move away from, with its descriptors; undefined for a target on none, with --force-stdio. */
  readonly oldTerminal: OldTerminal | undefined;
  /** The others of its job, which move with it: `jobMembers()`; when alone, those of them that are in its way. */
  readonly members: readonly JobMember[];
  /** Others that are near, no part of the job, and stay where they are: `bystandersOf()`. */
  readonly bystanders: readonly ProcessIdentity[];
  /** Those of them that are in its process group. */
  readonly inGroup: readonly NamedProcess[];
  /** SECCOMP_MODE_* of the target: with 2 a filter may deny, or punish with death, what we make it call. */
  readonly targetSeccomp: number;
  /** How it is known that the filter is ours, where it is not suspended. */
  readonly sharedFilter: Kinship | undefined;
}

/** The facts about process `pid`. Throws RefusedError, with the reason, when it cannot be moved. */
export function preflight(
  pid: number,
  { forceStdio, alone }: MoveMode,
  records?: RecordReader,
): PreflightFacts {
  const around = readSurroundings(readLiveStats(), records);
  const { target, members, refused } = inspect(pid, around, { forceStdio, alone });
  if (refused !== undefined) throw refused;
  if (target !== undefined && alone) refuseAlone(target, target.stat, around.table);
  const old = target?.fds && oldTerminal(target.stat.ttyNr, target.fds);
  const isEnough = old !== undefined || forceStdio;
  if (target?.fds === undefined || target.tid === undefined || !isEnough) {
    throw new Error(`Process ${pid} was neither refused nor is there enough to move it`);
  }
  const { tid, command, stat, status, fds } = target;
  return {
    pid,
    tid,
    command,
    stat,
    status,
    fds,
    terminals: fds.filter((fd) => isOnTerminal(fd, stat.ttyNr)).map(({ fd }) => fd),
    oldTerminal: old,
    members,
    bystanders: target.bystanders,
    inGroup: target.inGroup,
    targetSeccomp: status.seccomp,
    sharedFilter: target.sharedFilter?.kinship,
  };
}

interface Inspection {
  readonly target: TargetFacts | undefined;
  readonly members: readonly JobMember[];
  readonly refused: RefusedError | undefined;
}

/**
 * What is known of process `pid`, undefined when there is none; the others that are stopped with it; and why it cannot be
 * moved, if it cannot: one of those others may be the reason. It is a reason only if it is found again and again.
 */
export function inspect(
  pid: number,
  around: Surroundings,
  mode: MoveMode = { forceStdio: false, alone: false },
): Inspection {
  return lookAgain(
    () => inspectOnce(pid, around, mode),
    ({ target, refused }) =>
      refused !== undefined && (target === undefined || mayBePassing(target)),
  );
}

function inspectOnce(
  pid: number,
  around: Surroundings,
  { forceStdio, alone }: MoveMode,
): Inspection {
  try {
    const target = gather(pid, around);
    const why = refusal({ pid, target, needsNoTerminal: forceStdio });
    if (target === undefined || why !== undefined) return { target, members: [], refused: why };
    const members = alone ? othersInTheWay(target.stat, target.members) : target.members;
    const refused = inTheWay(target, target.inTheWay) ?? refusedMember(members, pid, around);
    return { target, members, refused };
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    const refused = refusal({ pid, target: undefined, isHidden: true });
    return { target: undefined, members: [], refused };
  }
}

/** The first of `members` that may not be traced is named, before anything is changed. */
function refusedMember(
  members: readonly ProcessIdentity[],
  target: number,
  around: Surroundings,
): RefusedError | undefined {
  for (const member of members) {
    const again = `reptyr ${target}`;
    const known = around.attachFacts(member.pid);
    if (known === undefined || memberRefusal({ ...known, again }) === undefined) continue;
    const refused = lookAgain(() => {
      const now = readable(() => readAttachFactsOf(member.pid, around));
      return now?.tid === undefined || hasEnded(member)
        ? undefined
        : memberRefusal({ ...now, again });
    }, (found) => found !== undefined && mayBePassing(known));
    if (refused !== undefined) return refused;
  }
  return undefined;
}

/** The error to throw after PTRACE_SEIZE failed with EPERM. Reads everything anew. */
export function attachFailure(pid: number): Error {
  const around = readSurroundings();
  // A target that ended meanwhile, or that the checks before would now refuse, is best explained by them; but to be frozen
  // is no reason for it.
  const explain = () => {
    const found = gather(pid, around);
    const target = found && { ...found, frozenBy: undefined };
    return { target, refused: refusal({ pid, target, needsNoTerminal: true }) };
  };
  const isRefusal = ({ target, refused }: ReturnType<typeof explain>) =>
    refused !== undefined && target !== undefined && mayBePassing(target);
  const { target, refused } = lookAgain(explain, isRefusal);
  return refused ?? explainAttachFailure(target!);
}

/** What is the same for every target, for one who looks at many. */
export interface Surroundings {
  /** Every process that is not a zombie. */
  readonly table: readonly Stat[];
  readonly ancestors: readonly number[];
  readonly self: SelfFacts;
  readonly yama: number | undefined;
  readonly records: RecordReader;
  /** What tracing process `pid` depends on, read once; undefined when there is no such process. */
  readonly attachFacts: (pid: number) => (AttachFacts & FilterFacts) | undefined;
}

/** Reads the records of other reptyrs: known_records.ts. */
export type RecordReader = () => readonly JobRecord[];

/** Without `records` of other reptyrs those are missed that an earlier move has left in their old session. */
export function readSurroundings(
  table = readLiveStats(),
  records: RecordReader = () => [],
): Surroundings {
  const ours = { self: readSelfFacts("reptyr"), yama: readYamaLevel() };
  const known = new Map<number, (AttachFacts & FilterFacts) | undefined>();
  const attachFacts = (pid: number) => {
    if (!known.has(pid)) known.set(pid, readable(() => readAttachFactsOf(pid, ours)));
    return known.get(pid);
  };
  return { table, ancestors: ancestorsOf(Deno.pid, table), ...ours, records, attachFacts };
}

/** Undefined when there is no such process, also when it ends while we look at it; of a zombie there is no `tid`. */
function readAttachFactsOf(
  pid: number,
  ours: Pick<Surroundings, "self" | "yama">,
): (AttachFacts & FilterFacts & { readonly stat: Stat }) | undefined {
  const readBy = (tid: number | undefined) => {
    const stat = readStat(pid);
    const tids = listTids(pid);
    if (stat === undefined || tids === undefined) return undefined;
    const command = readCommand(pid, tid);
    const attach = readAttachFacts(pid, tids, tid, ours, isSuspendedReptyr);
    if (command === undefined || attach === undefined) return undefined;
    const sharedFilter = readSharedFilter(pid, tid, attach.status, ours.self.status);
    return { ...attach, command, stat, sharedFilter };
  };
  return throughThread(pid, readBy) ?? readBy(undefined);
}

/** Undefined when there is no such process, also when it ends while we look at it. */
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

/** Records are of use only for who leads a session, and are asked for only where another reptyr runs. */
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
