/** Which targets cannot be moved, and in what words. Pure: `preflight.ts` gathers the facts. */

import { unsupportedProgram } from "../../arch/mod.ts";
import { RefusedError } from "../../errors.ts";
import { decodeDevice, terminalName } from "../../proc/device.ts";
import type { Descriptor } from "../../proc/fds.ts";
import { printable, shorten } from "../../proc/printable.ts";
import { isDeadState, isKernelThread, type Stat } from "../../proc/stat.ts";
import {
  type AttachFacts,
  canSuspendSeccomp,
  explainAttachFailure,
  frozen,
  isAttachForbidden,
} from "../../tracee/attach_failure.ts";
import { type FilterFacts, filterRefusal, OUTSIDE } from "./filter/shared_filter.ts";
import type { JobMember, ProcessEntry } from "./job_members.ts";
import { oldTerminal, openForOthers } from "./old_terminal.ts";

/** A process as a message names it. */
export interface NamedProcess {
  readonly pid: number;
  readonly command: string;
  readonly ttyNr: number;
}

/** What `refusal()` looks at. */
export interface RefusalFacts {
  readonly pid: number;
  /** Undefined when there is no process, and no thread, of that number. */
  readonly target: TargetFacts | undefined;
  /** Whether /proc keeps the process from us: `hidepid` in proc(5). */
  readonly isHidden?: boolean;
  /** Whether it is to be moved without being on a terminal: --force-stdio. */
  readonly needsNoTerminal?: boolean;
}

export interface TargetFacts extends AttachFacts, FilterFacts {
  /** /proc/PID/stat. */
  readonly stat: Stat;
  /** The process that `pid` is a thread of, when it is not the process itself. */
  readonly threadOf: NamedProcess | undefined;
  readonly isSelf: boolean;
  /** Of the program that it runs, 4 or 8. Undefined when the kernel does not let us see it. */
  readonly wordBytes?: number | undefined;
  /** Whether reptyr runs below the target. */
  readonly isAncestor: boolean;
  /** Undefined when the kernel does not let us see them. */
  readonly fds: readonly Descriptor[] | undefined;
  /** Whether it is the first process of this machine, which is never touched. */
  readonly isMachineInit: boolean;
  /** The others of its job: `jobMembers()`. */
  readonly members: readonly JobMember[];
  /** Others that are near, no part of the job, and stay where they are: `bystandersOf()`. */
  readonly bystanders: readonly ProcessEntry[];
  /** The bystanders that are in its process group. */
  readonly inGroup: readonly NamedProcess[];
  /** The bystanders that keep it from leaving its group, this reptyr included. */
  readonly inTheWay: readonly NamedProcess[];
  /** The processes below it that are on a terminal, for a target that is on none. */
  readonly descendantsOnTerminals: readonly NamedProcess[];
}

/** At most this many processes are named in one line, each with this many characters of command. */
const NAMED = 8;
const COMMAND_WIDTH = 40;

/**
 * Why the target cannot be moved, or undefined when nothing speaks against it. What cannot exist or cannot
 * be moved by anyone comes first, then what permission forbids, then what the terminal forbids, then what passes.
 */
export function refusal(facts: RefusalFacts): RefusedError | undefined {
  const { target, needsNoTerminal } = facts;
  const none = noProcess(facts);
  if (none !== undefined || target === undefined) return none;
  const subject = `Cannot move process ${named(target)}`;
  if (target.isSelf) return new RefusedError(`${subject}: it is this reptyr itself`);
  if (target.isAncestor) {
    return new RefusedError(`${subject}: it is the shell (or an ancestor) this reptyr runs under`, [
      "Run reptyr in another terminal",
    ]);
  }
  const unsupported = unsupportedProgram(target.wordBytes);
  if (unsupported !== undefined) return new RefusedError(`${subject}: ${unsupported}`);
  if (isAttachForbidden(target) || target.fds === undefined) return explainAttachFailure(target);
  const filtered = refusedByFilter(target);
  if (filtered !== undefined) return filtered;
  if (!needsNoTerminal && oldTerminal(target.stat.ttyNr, target.fds) === undefined) {
    return onNoTerminal(target);
  }
  return frozenRefusal(target);
}

/** Why a process that may be traced cannot be stopped: it does not run. Undefined when it does. */
export function frozenRefusal(facts: AttachFacts): RefusedError | undefined {
  const { frozenBy, self } = facts;
  return frozenBy && frozen(facts, frozenBy, self.status.uids[1]);
}

/** Why a member of the job, which would be stopped and changed with the target, cannot be; undefined when it can. */
export function memberRefusal(member: AttachFacts & FilterFacts): RefusedError | undefined {
  if (isAttachForbidden(member)) return explainAttachFailure(member);
  return refusedByFilter(member) ?? frozenRefusal(member);
}

/** Why a seccomp filter keeps a process from making our calls; undefined where it can be suspended, or lets them pass. */
function refusedByFilter(facts: AttachFacts & FilterFacts): RefusedError | undefined {
  if (facts.status.seccomp === 0 || canSuspendSeccomp(facts)) return undefined;
  const { sharedFilter } = facts;
  return sharedFilter === undefined
    ? underSeccomp(facts, facts.self.status.seccomp !== 0)
    : filterRefusal(`Cannot move process ${named(facts)}`, sharedFilter.rehearsal);
}

/**
 * Why a target that leads its process group cannot leave it: `others` are in it that are no part of its job, and so are
 * not to be touched. setsid(2) fails as long as any process is in the group with the caller's number.
 */
export function inTheWay(
  target: { readonly pid: number; readonly command: string },
  others: readonly NamedProcess[],
): RefusedError | undefined {
  if (others.length === 0) return undefined;
  const [are, it] = others.length === 1 ? ["is", "it is"] : ["are", "they are"];
  return new RefusedError(
    `Cannot move process ${named(target)}: it leads a process group that ${
      listed(others)
    } ${are} in, too; ` +
      `${it} no part of its job, being neither on its terminal nor below it`,
    [
      "A process cannot leave the group that it leads while others are in it: setsid(2)",
      `To move the terminal itself, run: reptyr -T ${target.pid}`,
    ],
  );
}

/** Why there is no process to speak of; `again` is how reptyr is to be called about another. */
export function noProcess(
  { pid, target, isHidden }: RefusalFacts,
  again = "reptyr",
): RefusedError | undefined {
  if (isHidden) {
    return new RefusedError(
      `Cannot attach to process ${pid}: permission denied: /proc hides the processes of other users (hidepid)`,
      [`Run: sudo ${again} ${pid}`],
    );
  }
  if (target === undefined) {
    return new RefusedError(`Cannot move process ${pid}: no such process`, [
      "`reptyr --list` lists the processes on terminals",
    ]);
  }
  const subject = `Cannot move process ${named({ pid, command: target.command })}`;
  if (target.isMachineInit) {
    return new RefusedError(`${subject}: it is the init of this machine, which is never touched`, [
      "`reptyr --list` lists the processes on terminals",
    ]);
  }
  if (target.threadOf !== undefined) {
    return new RefusedError(`${subject}: it is a thread of process ${named(target.threadOf)}`, [
      `Run: ${again} ${target.threadOf.pid}`,
    ]);
  }
  if (isKernelThread(target.stat)) {
    return new RefusedError(`${subject}: it is a kernel thread`);
  }
  if (target.tid === undefined && !isDeadState(target.stat.state)) {
    return new RefusedError(`${subject}: it is just ending`);
  }
  if (target.tid === undefined) {
    return new RefusedError(`${subject}: it has ended and is a zombie`, [
      `Nothing of it is left but its exit status, which its parent ${target.stat.ppid} has not read`,
    ]);
  }
  return undefined;
}

/** For a target whose seccomp filter stays in force. `isSelfFiltered`: because this reptyr is under one, too. */
export function underSeccomp(
  target: { readonly pid: number; readonly command: string; readonly again?: string },
  isSelfFiltered = false,
): RefusedError {
  return new RefusedError(
    `Cannot move process ${
      named(target)
    }: it runs under a seccomp filter, which might kill it for the ` +
      "calls of the move",
    isSelfFiltered ? [OUTSIDE] : [
      `With CAP_SYS_ADMIN the filter can be suspended for a moment: sudo ${
        target.again ?? `reptyr ${target.pid}`
      }`,
      `To move the terminal itself, which changes nothing in it, run: reptyr -T ${target.pid}`,
    ],
  );
}

/** For a target with no descriptor on any terminal. */
export function onNoTerminal(target: TargetFacts): RefusedError {
  const standard = (target.fds ?? []).filter(({ fd }) => fd <= 2)
    .map(({ fd, link }) => `${fd} is ${shorten(printable(link), COMMAND_WIDTH)}`);
  const remedies = [
    standard.length === 0
      ? "Its descriptors 0, 1 and 2 are closed"
      : `Of its descriptors, ${standard.join(", ")}`,
  ];
  remedies.push(`To put a terminal in their place, run: reptyr --force-stdio ${target.pid}`);
  const below = target.descendantsOnTerminals;
  if (below.length > 0) {
    const list = listed(below, ({ ttyNr }) => ` on ${terminalName(decodeDevice(ttyNr))}`);
    remedies.push(`Processes below it are on a terminal and may be meant: ${list}`);
  }
  const open = openForOthers(target.fds ?? []).slice(0, NAMED);
  if (open.length > 0) {
    const list = open.map(({ fd, link }) => `${shorten(printable(link), COMMAND_WIDTH)} as ${fd}`);
    remedies.push(`It has ${list.join(", ")} open: that alone does not make it its own terminal`);
  }
  return new RefusedError("Target is not connected to a terminal", remedies);
}

/** The first of them, as a message names them. */
export function listed(
  processes: readonly NamedProcess[],
  suffix: (one: NamedProcess) => string = () => "",
): string {
  const shown = processes.slice(0, NAMED).map((one) => named(one) + suffix(one));
  const more = processes.length - shown.length;
  return shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** `4242 (vim notes.txt)`. */
export function named({ pid, command }: { pid: number; command: string }): string {
  return `${pid} (${shorten(command, COMMAND_WIDTH)})`;
}
