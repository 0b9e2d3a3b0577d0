/**
 * Looks at the target before anything is done to it: what the move has to know, or why it cannot be moved.
 * Only files in /proc are read; the target is neither stopped nor otherwise disturbed.
 */
import { type RefusedError, TraceeDiedError } from "../../errors.ts";
import { readable } from "../../proc/gone.ts";
import { lookAgain } from "../../proc/look_again.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import { hasEnded } from "../../proc/second_look.ts";
import { readLiveStats } from "../../proc/stats.ts";
import { explainAttachFailure, mayBePassing } from "../../tracee/attach_failure.ts";
import { refuseAlone } from "./alone.ts";
import { type JobMember, othersInTheWay } from "./job_members.ts";
import type { MoveMode } from "./move_options.ts";
import { oldTerminal } from "./old_terminal.ts";
import type { PreflightFacts } from "./preflight_facts.ts";
import { inTheWay, memberRefusal, refusal, type TargetFacts } from "./refusals.ts";
import {
  readAttachFactsOf,
  readSurroundings,
  type RecordReader,
  type Surroundings,
} from "./surroundings.ts";
import { gather } from "./target_facts.ts";

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

/** Why the first member that may not be traced may not, before anything is changed. */
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
  // The checks of before explain best why a target that has ended, or that they would refuse now, cannot be traced. A frozen
  // target can be.
  const explain = () => {
    const found = gather(pid, around);
    const target = found && { ...found, frozenBy: undefined };
    return { target, refused: refusal({ pid, target, needsNoTerminal: true }) };
  };
  const isRefusal = ({ target, refused }: ReturnType<typeof explain>) =>
    refused !== undefined && target !== undefined && mayBePassing(target);
  const { target, refused } = lookAgain(explain, isRefusal);
  if (refused !== undefined) return refused;
  return target === undefined ? new TraceeDiedError(pid) : explainAttachFailure(target);
}
