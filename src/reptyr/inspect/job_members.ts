/** Which processes move together. Pure. */
import { isSame, type ProcessIdentity } from "../../proc/process_identity.ts";
import type { RelayedGroup } from "../record/job_record.ts";
import { isIn } from "../record/relayed_groups.ts";
import type { Kin } from "./process_tree.ts";

/** Where a live process stands. Zombies are in no table of these. */
export interface ProcessPlace {
  readonly pid: number;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  readonly ttyNr: number;
}

/** What the decision needs to know of every process. */
export interface ProcessEntry extends ProcessPlace, ProcessIdentity {
  /** As in Stat: the foreground group of the controlling terminal. */
  readonly tpgid: number;
}

/** A process that moves with the target. */
export interface JobMember extends ProcessEntry {
  /** Nothing but the record of an earlier move says so: what is done to it is done on the word of another. */
  readonly byRecord: boolean;
}

/** Whether a process has a descriptor on the terminal that the target leaves, and does not serve that itself. */
export type UsesTerminal = (pid: number) => boolean;

/** What a reptyr tells of an earlier move of the target, whose terminal it serves: job_record.ts. */
export interface EarlierMove {
  readonly groups: readonly RelayedGroup[];
  readonly members: readonly ProcessIdentity[];
  /** Others that were in those groups then, and were no members. */
  readonly bystanders: readonly ProcessIdentity[];
}

/** What the rule looks at beside the table of processes. */
export interface Evidence {
  readonly usesTerminal?: UsesTerminal;
  /** Whether a process is the init of a PID namespace that the target lives in. */
  readonly isInit?: (pid: number) => boolean;
  readonly earlier?: EarlierMove | undefined;
}

/**
 * The processes that share the target's job, ascending by pid. A process is a member only when it is known to belong:
 *
 * - it is in the target's process group, and on the terminal that is left, or below the target. A group cannot be split
 *   by setsid(2), which fails for the leader of a group as long as another process is in it, and the signals of ^C and ^Z
 *   are for the whole of it. The user does not matter: `sudo x | less` is one job;
 * - it is a descendant of the target and on the terminal, in whatever group and session: it would be left behind there;
 * - the target leads the session of the process, which is on the terminal, below the target, or in the foreground group:
 *   giving up a controlling terminal takes it from the whole session, with SIGHUP for the foreground group (TIOCNOTTY in
 *   ioctl_tty(2));
 * - the target leads its session, and a record names the process: {@linkcode EarlierMove}.
 *
 * On the terminal is a process whose controlling terminal it is, or that has a descriptor on it. A terminal controls one
 * session, so the number counts only within the target's session: another devpts has a terminal of the same number.
 *
 * Parents and siblings are never guessed to belong. So an ancestor is a member only by its group, its session or a
 * record: a supervisor that opens the terminal for the target is none, nor is a login(1), or a subreaper. Never a member
 * is the init of a PID namespace that the target lives in; nor this reptyr, `selfPid`, which ends by itself.
 */
export function jobMembers(
  target: ProcessEntry,
  table: readonly ProcessEntry[],
  selfPid: number,
  { usesTerminal = () => false, isInit = (pid) => pid === 1, earlier }: Evidence = {},
): JobMember[] {
  const below = descendantsOf(target.pid, table);
  // In a table that was read while numbers were used again, a process may be above the target and below it.
  const above = below.size === 0 ? [] : ancestorsOf(target.pid, table);
  above.forEach((pid) => below.delete(pid));
  const leadsSession = target.pid === target.session;
  const isNamed = leadsSession && earlier !== undefined
    ? namedBy(earlier, table, usesTerminal)
    : undefined;
  const isOnTerminal = ({ pid, session, ttyNr }: ProcessEntry) =>
    ttyNr !== 0 && ttyNr === target.ttyNr && session === target.session || usesTerminal(pid);
  const belongs = (entry: ProcessEntry) => {
    const isBelow = below.has(entry.pid);
    const inSession = leadsSession && target.ttyNr !== 0 && entry.session === target.session;
    if (inSession && entry.pgrp === target.tpgid) return true;
    if (inSession || entry.pgrp === target.pgrp) return isBelow || isOnTerminal(entry);
    return isBelow && isOnTerminal(entry);
  };
  return table.filter(({ pid }) => pid !== target.pid && pid !== selfPid)
    .map((entry): JobMember => ({ ...entry, byRecord: !belongs(entry) }))
    .filter((entry) => !entry.byRecord || isNamed?.(entry))
    .filter(({ pid }) => !isInit(pid))
    .sort((a, b) => a.pid - b.pid);
}

/**
 * Whether a record names a process, which therefore came to the terminal of the target with it, and is in another
 * session, for setsid(2) takes none along. It is one of those that moved then, in a group of theirs or on the terminal
 * still; or it was born since in one of those groups, and is below one of them or on the terminal.
 */
function namedBy(
  { groups, members, bystanders }: EarlierMove,
  table: readonly ProcessEntry[],
  usesTerminal: UsesTerminal,
): (entry: ProcessEntry) => boolean {
  const isBystander = (entry: ProcessEntry) => bystanders.some((one) => isSame(one, entry));
  const isMember = (entry: ProcessEntry) => members.some((member) => isSame(member, entry));
  const inGroups = (entry: ProcessEntry) => groups.some((group) => isIn(group, entry));
  const born = bornOf(table.filter(isMember), table.filter((entry) => !isBystander(entry)));
  return (entry) => {
    if (isBystander(entry)) return false;
    return inGroups(entry)
      ? isMember(entry) || born.has(entry.pid) || usesTerminal(entry.pid)
      : isMember(entry) && usesTerminal(entry.pid);
  };
}

/** Pids of all descendants of any of `parents`. */
export function bornOf(parents: readonly Kin[], table: readonly Kin[]): ReadonlySet<number> {
  return new Set(parents.flatMap(({ pid }) => [...descendantsOf(pid, table)]));
}

/**
 * Members of a job that leads its session, but not of that session: an earlier move left them in their old one. A process
 * that called setsid() itself, as daemons do, is another matter: it leads its session, or is below one of the target's
 * that does.
 */
export function leftInOldSession<Entry extends ProcessPlace>(
  target: ProcessPlace,
  members: readonly Entry[],
): Entry[] {
  if (target.pid !== target.session) return [];
  const below = descendantsOf(target.pid, members);
  return members.filter(({ pid, session }) =>
    pid !== target.pid && session !== target.session && !below.has(session)
  );
}

/**
 * For a target that goes alone: the others of its process group, which must leave that first, ascending by pid. Only the
 * leader of a group cannot leave by itself: setsid(2) fails as long as any group has the caller's number. The rule of
 * {@linkcode jobMembers} says which of them may be touched.
 */
export function othersInTheWay<Entry extends ProcessPlace>(
  target: ProcessPlace,
  table: readonly Entry[],
): Entry[] {
  if (target.pgrp !== target.pid || target.session === target.pid) return [];
  return othersOfGroup(target, table);
}

/** The other processes of the target's group, ascending by pid. */
export function othersOfGroup<Entry extends ProcessPlace>(
  { pid, pgrp }: ProcessPlace,
  table: readonly Entry[],
): Entry[] {
  return table.filter((entry) => entry.pgrp === pgrp && entry.pid !== pid)
    .sort((a, b) => a.pid - b.pid);
}

/**
 * Those that are no `members` though they are in the target's group, in the foreground group of its terminal, or in one
 * of the `groups` of an earlier move: they stay where they are, and their children are no part of the job either.
 */
export function bystandersOf<Entry extends ProcessPlace>(
  target: ProcessPlace & { readonly tpgid: number },
  table: readonly Entry[],
  members: readonly { readonly pid: number }[],
  groups: readonly RelayedGroup[] = [],
): Entry[] {
  const pids = new Set([target.pid, ...members.map(({ pid }) => pid)]);
  const isNear = (entry: Entry) =>
    entry.pgrp === target.pgrp ||
    entry.session === target.session && entry.pgrp === target.tpgid ||
    groups.some((group) => isIn(group, entry));
  return table.filter((entry) => !pids.has(entry.pid) && isNear(entry))
    .sort((a, b) => a.pid - b.pid);
}

/** Pids of all children of `pid`, their children, and so on. */
export function descendantsOf(pid: number, table: readonly Kin[]): Set<number> {
  const children = childrenByParent(table);
  const found = new Set<number>();
  const open = [pid];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const child of children.get(next) ?? []) {
      // The table is read while processes come and go, so a pid may turn up twice.
      if (child === pid || found.has(child)) continue;
      found.add(child);
      open.push(child);
    }
  }
  return found;
}

/** Made once for each table: `--list` asks about every process in it. */
const childrenOfTable = new WeakMap<readonly Kin[], Map<number, number[]>>();

function childrenByParent(table: readonly Kin[]): ReadonlyMap<number, number[]> {
  const known = childrenOfTable.get(table);
  if (known !== undefined) return known;
  const children = new Map<number, number[]>();
  for (const entry of table) {
    const siblings = children.get(entry.ppid);
    if (siblings === undefined) children.set(entry.ppid, [entry.pid]);
    else siblings.push(entry.pid);
  }
  childrenOfTable.set(table, children);
  return children;
}

/** Pids of the parent of `pid`, its parent, and so on up to the first process. */
export function ancestorsOf(pid: number, table: readonly Kin[]): number[] {
  const parents = new Map(table.map((entry) => [entry.pid, entry.ppid]));
  const found: number[] = [];
  for (let next = parents.get(pid) ?? 0; next !== 0; next = parents.get(next) ?? 0) {
    if (found.includes(next)) break;
    found.push(next);
  }
  return found;
}
