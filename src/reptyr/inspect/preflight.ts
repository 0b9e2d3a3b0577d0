/**
 * Looks at the target before anything is done to it: what the move has to know, or why it cannot be moved.
 * Only files in /proc are read; the target is neither stopped nor otherwise disturbed.
 */

import { type RefusedError, TraceeDiedError } from "../../errors.ts";
import type { Descriptor } from "../../proc/fds.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import type { Stat } from "../../proc/stat.ts";
import { readLiveStats } from "../../proc/stats.ts";
import type { Status } from "../../proc/status.ts";
import { explainAttachFailure } from "../../tracee/attach_failure.ts";
import { refuseAlone } from "./alone.ts";
import type { Kinship } from "./filter/shared_filter.ts";
import { type JobMember, othersInTheWay } from "./job_members.ts";
import type { MoveMode } from "./move_options.ts";
import { type OldTerminal, oldTerminal } from "./old_terminal.ts";
import {
  inTheWay,
  memberRefusal,
  type NamedProcess,
  refusal,
  type TargetFacts,
} from "./refusals.ts";
import { readSurroundings, type RecordReader, type Surroundings } from "./surroundings.ts";
import { gather } from "./target_facts.ts";

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
  /** The terminal to leave, with the descriptors on it; undefined for a target on none, with --force-stdio. */
  readonly oldTerminal: OldTerminal | undefined;
  /** The others of its job, which move with it: `jobMembers()`. With --alone only the members that are in its way. */
  readonly members: readonly JobMember[];
  /** Processes near the job that are no part of it and stay where they are: `bystandersOf()`. */
  readonly bystanders: readonly ProcessIdentity[];
  /** The bystanders that are in its process group. */
  readonly inGroup: readonly NamedProcess[];
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
    oldTerminal: old,
    members,
    bystanders: target.bystanders,
    inGroup: target.inGroup,
    sharedFilter: target.sharedFilter?.kinship,
  };
}

/**
 * What is known of process `pid`, undefined when there is none; the others that are stopped with it; and why it cannot be
 * moved, if it cannot: one of those others may be the reason.
 */
export function inspect(
  pid: number,
  around: Surroundings,
  { forceStdio, alone }: MoveMode = { forceStdio: false, alone: false },
): {
  readonly target: TargetFacts | undefined;
  readonly members: readonly JobMember[];
  readonly refused: RefusedError | undefined;
} {
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

/** Why the first member that may not be traced may not, before anything is changed. */
function refusedMember(
  members: readonly ProcessIdentity[],
  target: number,
  { attachFacts }: Surroundings,
): RefusedError | undefined {
  for (const { pid } of members) {
    const member = attachFacts(pid);
    const refused = member && memberRefusal({ ...member, again: `reptyr ${target}` });
    if (refused !== undefined) return refused;
  }
  return undefined;
}

/** The error to throw after PTRACE_SEIZE failed with EPERM. Reads everything anew. */
export function attachFailure(pid: number): Error {
  // The checks of before explain best why a target that has ended, or that they would refuse now, cannot be traced. A frozen
  // target can be.
  const found = gather(pid);
  if (found === undefined) return refusal({ pid, target: undefined }) ?? new TraceeDiedError(pid);
  const target = { ...found, frozenBy: undefined };
  return refusal({ pid, target, needsNoTerminal: true }) ?? explainAttachFailure(target);
}
