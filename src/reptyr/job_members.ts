/** Which processes move together. Pure. */

/** What the decision needs to know of every live process. Zombies are not in the table. */
export interface ProcessEntry {
  readonly pid: number;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  readonly ttyNr: number;
}

/** Whether a process has a descriptor on the terminal that the target leaves, and does not serve that itself. */
export type UsesTerminal = (pid: number) => boolean;

/**
 * The processes that share the target's job, ascending by pid:
 *
 * - the members of its process group. A group cannot be split by setsid(2), which fails for the leader of a
 *   group as long as anyone is in it, and the signals of ^C and ^Z are for the whole of it;
 * - its descendants on the same terminal, in whatever group and session: they would be left behind on it. That is
 *   told by their descriptors where the number of their controlling terminal is another, or none: the terminal has
 *   hung up, or an earlier move left them in their old session;
 * - for a session leader, everyone in its session on that terminal: giving up a controlling terminal takes it
 *   from all of them, with SIGHUP for the foreground group (TIOCNOTTY in ioctl_tty(2)). Those of its session
 *   without one lost it so, in a move before: only the leader could take the new one;
 * - for a session leader, its helpers of an earlier move, {@linkcode earlierHelpers}.
 *
 * `selfPid`, this reptyr, is never counted: it ends by itself and has no part in the target's work.
 */
export function jobMembers(
  target: ProcessEntry,
  table: readonly ProcessEntry[],
  selfPid: number,
  usesTerminal: UsesTerminal = () => false,
): ProcessEntry[] {
  const descendants = descendantsOf(target.pid, table);
  const onItsTerminal = ({ pid, ttyNr }: ProcessEntry) =>
    ttyNr !== 0 && ttyNr === target.ttyNr || usesTerminal(pid);
  const inItsSession = ({ session, ttyNr }: ProcessEntry) =>
    target.pid === target.session && session === target.session && target.ttyNr !== 0 &&
    (ttyNr === target.ttyNr || ttyNr === 0);
  const others = table.filter(({ pid }) => pid !== target.pid && pid !== selfPid);
  const found = new Set(
    others.filter((entry) =>
      entry.pgrp === target.pgrp ||
      descendants.has(entry.pid) && onItsTerminal(entry) ||
      inItsSession(entry)
    ),
  );
  for (const helper of earlierHelpers(target, others, usesTerminal)) found.add(helper);
  return [...found].sort((a, b) => a.pid - b.pid);
}

/**
 * Those who moved to the terminal of `target`, a session leader, when that came there: they use it, and are in
 * another session than the one whose terminal it is, for setsid(2) took none of them along. A program that called
 * setsid() itself, as daemons do, is another matter: it leads its session, or is below one of the target's that does.
 *
 * They are told by their family, a pipeline's processes being children of one shell, and a script the parent of its
 * commands; and by their process group, which they share with some that have nothing open on the terminal.
 */
export function earlierHelpers(
  target: ProcessEntry,
  table: readonly ProcessEntry[],
  usesTerminal: UsesTerminal,
): ProcessEntry[] {
  if (target.pid !== target.session) return [];
  const descendants = descendantsOf(target.pid, table);
  const helpers = table.filter((entry) =>
    entry.session !== target.session && !descendants.has(entry.session) && (
      descendants.has(entry.pid) ||
      target.ttyNr !== 0 && (
          entry.pid === target.ppid ||
          entry.ppid === target.ppid && entry.pid !== entry.session
        )
    ) && usesTerminal(entry.pid)
  );
  const groups = new Set(helpers.map(groupOf));
  return table.filter((entry) => groups.has(groupOf(entry)));
}

/** A group's number is used again when the group is empty, but hardly in the same session. */
function groupOf({ session, pgrp }: ProcessEntry): string {
  return `${session} ${pgrp}`;
}

/**
 * For a target that goes alone: those that must leave its process group for that, ascending by pid. Only the leader of
 * a group cannot leave by itself: setsid(2) fails as long as any group has the caller's number.
 */
export function membersInTheWay(
  target: ProcessEntry,
  table: readonly ProcessEntry[],
  selfPid: number,
): ProcessEntry[] {
  if (target.pgrp !== target.pid || target.session === target.pid) return [];
  return othersOfGroup(target, table).filter(({ pid }) => pid !== selfPid);
}

/** The other processes of the target's group, ascending by pid. */
export function othersOfGroup<Entry extends ProcessEntry>(
  { pid, pgrp }: ProcessEntry,
  table: readonly Entry[],
): Entry[] {
  return table.filter((entry) => entry.pgrp === pgrp && entry.pid !== pid)
    .sort((a, b) => a.pid - b.pid);
}

/** Pids of all children of `pid`, their children, and so on. */
export function descendantsOf(pid: number, table: readonly ProcessEntry[]): Set<number> {
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
const childrenOfTable = new WeakMap<readonly ProcessEntry[], Map<number, number[]>>();

function childrenByParent(table: readonly ProcessEntry[]): ReadonlyMap<number, number[]> {
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
export function ancestorsOf(pid: number, table: readonly ProcessEntry[]): number[] {
  const parents = new Map(table.map((entry) => [entry.pid, entry.ppid]));
  const found: number[] = [];
  for (let next = parents.get(pid) ?? 0; next !== 0; next = parents.get(next) ?? 0) {
    if (found.includes(next)) break;
    found.push(next);
  }
  return found;
}
