/**
 * Looks at the target before anything is done to it: what the move has to know, or why it cannot be moved.
 * Only files in /proc are read; the target is neither stopped nor otherwise disturbed.
 */

import type { RefusedError } from "../errors.ts";
import { readCommand } from "../proc/command.ts";
import { type Descriptor, readFds } from "../proc/fds.ts";
import { procFolder, readable, unlessGone } from "../proc/gone.ts";
import { printable } from "../proc/printable.ts";
import { isDeadState, isLive, readStat, type Stat } from "../proc/stat.ts";
import { readStatus, type Status } from "../proc/status.ts";
import { listPids, listTids } from "../proc/tasks.ts";
import {
  type AttachFacts,
  explainAttachFailure,
  isAttachForbidden,
  type SelfFacts,
} from "./attach_failure.ts";
import { refuseAlone } from "./alone.ts";
import {
  ancestorsOf,
  descendantsOf,
  jobMembers,
  membersInTheWay,
  type ProcessEntry,
} from "./job_members.ts";
import { isOnTerminal, type OldTerminal, oldTerminal } from "./old_terminal.ts";
import { isSuspendedReptyr } from "./suspended.ts";
import { usersOf } from "./terminal_users.ts";
import { type NamedProcess, refusal, type TargetFacts } from "./refusals.ts";

/** What is known of a target that may be moved, as it was a moment ago. */
export interface PreflightFacts {
  readonly pid: number;
  /** A thread that runs: `pid`, unless the first thread has exited before the others. */
  readonly tid: number;
  readonly command: string;
  /** Of the process; its `state` is Z when the first thread has exited. */
  readonly stat: Stat;
  /** Of the thread `tid`. */
  readonly status: Status;
  /** Every open descriptor, ascending. */
  readonly fds: readonly Descriptor[];
  /** Numbers of the descriptors open on any terminal. */
  readonly terminals: readonly number[];
  /** The one to move away from, with its descriptors; undefined for a target on none, with --force-stdio. */
  readonly oldTerminal: OldTerminal | undefined;
  /** The others of its job, which move with it: `jobMembers()`; when alone, those of `membersInTheWay()`. */
  readonly members: readonly number[];
  /** SECCOMP_MODE_* of the target: with 2 a filter may deny, or punish with death, what we make it call. */
  readonly targetSeccomp: number;
}

/** How the target is to be moved: MoveOptions in mod.ts. */
export interface MoveMode {
  readonly forceStdio: boolean;
  readonly alone: boolean;
}

/** The facts about process `pid`. Throws RefusedError, with the reason, when it cannot be moved. */
export function preflight(pid: number, { forceStdio, alone }: MoveMode): PreflightFacts {
  const around = readSurroundings();
  const { target, refused } = inspect(pid, around, forceStdio);
  if (refused !== undefined) throw refused;
  if (target !== undefined && alone) refuseAlone(target, target.stat, around.table);
  const members = target === undefined || !alone
    ? target?.members ?? []
    : membersInTheWay(target.stat, around.table, Deno.pid).map(({ pid }) => pid);
  members.forEach(refuseMember);
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
    targetSeccomp: status.seccomp,
  };
}

/** A member of the job that may not be traced is named before anything is changed. */
function refuseMember(pid: number): void {
  const member = gather(pid);
  if (member !== undefined && isAttachForbidden(member)) throw explainAttachFailure(member);
}

/** What is known of process `pid`, undefined when there is none; and why it cannot be moved, if it cannot. */
export function inspect(
  pid: number,
  around?: Surroundings,
  needsNoTerminal = false,
): { target: TargetFacts | undefined; refused: RefusedError | undefined } {
  try {
    const target = gather(pid, around);
    return { target, refused: refusal({ pid, target, needsNoTerminal }) };
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    return { target: undefined, refused: refusal({ pid, target: undefined, isHidden: true }) };
  }
}

/** The error to throw after PTRACE_SEIZE failed with EPERM. Reads everything anew. */
export function attachFailure(pid: number): Error {
  const target = gather(pid);
  // A target that ended meanwhile, or that the checks before would now refuse, is best explained by them.
  return refusal({ pid, target, needsNoTerminal: true }) ?? explainAttachFailure(target!);
}

/** What is the same for every target, for one who looks at many. */
export interface Surroundings {
  /** Every process that is not a zombie. */
  readonly table: readonly ProcessEntry[];
  readonly ancestors: readonly number[];
  readonly self: SelfFacts;
  readonly yama: number | undefined;
}

export function readSurroundings(table = processTable()): Surroundings {
  const status = readStatus(Deno.pid);
  if (status === undefined) throw new Error("Cannot read /proc/self/status: is /proc mounted?");
  return {
    table,
    ancestors: ancestorsOf(Deno.pid, table),
    self: {
      status,
      userNamespace: readable(() => Deno.readLinkSync("/proc/self/ns/user")),
      label: readLabel(Deno.pid),
    },
    yama: readYamaLevel(),
  };
}

/** Undefined when there is no such process, also when it ends while we look at it. */
export function gather(pid: number, around = readSurroundings()): TargetFacts | undefined {
  const stat = readStat(pid);
  const tids = listTids(pid);
  if (stat === undefined || tids === undefined) return undefined;
  const tid = tids.find((one) => !isDeadState(readStat(pid, one)?.state ?? "X"));
  const command = readCommand(pid, tid);
  const status = readStatus(pid, tid);
  const fileOwner = unlessGone(() => Deno.statSync(`/proc/${pid}/stat`).uid);
  if (command === undefined || status === undefined || fileOwner === undefined) return undefined;

  const { table } = around;
  const self: ProcessEntry = { ...stat, pid };
  const fds = tid === undefined ? undefined : readable(() => readFds(pid, tid));
  const terminal = fds && oldTerminal(stat.ttyNr, fds);
  const members = jobMembers(self, table, Deno.pid, usersOf(terminal?.identity));
  const below = descendantsOf(pid, table);

  return {
    pid,
    command,
    tid,
    stat,
    status,
    tracer: findTracer(pid, tids),
    fileOwner: fileOwner ?? 0,
    userNamespace: readable(() => Deno.readLinkSync(`${procFolder(pid, tid)}/ns/user`)),
    hasOtherIds: readIdMap(pid) !== readIdMap(Deno.pid),
    label: readLabel(pid),
    yama: around.yama,
    self: around.self,
    threadOf: status.tgid === pid ? undefined : nameOf(status.tgid, 0),
    isSelf: pid === Deno.pid,
    isAncestor: around.ancestors.includes(pid),
    fds,
    members: members.map(({ pid }) => pid),
    descendantsOnTerminals: table
      .filter((entry) => below.has(entry.pid) && entry.ttyNr !== 0)
      .map(({ pid, ttyNr }) => nameOf(pid, ttyNr)),
  };
}

/** Every process that is not a zombie. */
function processTable(): ProcessEntry[] {
  return readStats().filter(isLive);
}

/** Every process there is, but those that /proc keeps from us: `hidepid` in proc(5). */
export function readStats(): Stat[] {
  return listPids()
    .map((pid) => readable(() => readStat(pid)))
    .filter((stat) => stat !== undefined);
}

function nameOf(pid: number, ttyNr: number): NamedProcess {
  return { pid, command: readable(() => readCommand(pid)) ?? "[ended]", ttyNr };
}

/**
 * A tracer of any of the threads but this reptyr, which may have seized some of them before it failed, and one that
 * lets go of them for us.
 */
function findTracer(pid: number, tids: readonly number[]): AttachFacts["tracer"] {
  for (const tid of tids) {
    const tracer = readStatus(pid, tid)?.tracerPid ?? 0;
    if (tracer === 0 || tracer === Deno.pid || isSuspendedReptyr(tracer)) continue;
    return nameOf(tracer, 0);
  }
  return undefined;
}

function readYamaLevel(): number | undefined {
  const level = readable(() => Deno.readTextFileSync("/proc/sys/kernel/yama/ptrace_scope"));
  return level === undefined ? undefined : Number(level);
}

/** uid_map as user_namespaces(7) shows it to us. */
function readIdMap(pid: number): string | undefined {
  return readable(() => Deno.readTextFileSync(`/proc/${pid}/uid_map`));
}

function readLabel(pid: number): string | undefined {
  let label: string | undefined;
  try {
    label = Deno.readTextFileSync(`/proc/${pid}/attr/current`).replace(/[\n\0]+$/, "");
  } catch {
    // Without a security module the file cannot be read (EINVAL); with one, nothing depends on it alone.
  }
  return label === undefined || label === "" ? undefined : printable(label);
}
