/** Which processes move together. Pure. */

/** What the decision needs to know of every live process. Zombies are not in the table. */
export interface ProcessEntry {
  readonly pid: number;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  readonly ttyNr: number;
}

/**
 * The processes that share the target's job, ascending by pid:
 *
 * - the members of its process group. A group cannot be split by setsid(2), which fails for the leader of a
 *   group as long as anyone is in it, and the signals of ^C and ^Z are for the whole of it;
 * - its descendants on the same terminal, in whatever group: they would be left behind on it;
 * - for a session leader, everyone in its session on that terminal: giving up a controlling terminal takes it
 *   from all of them, with SIGHUP for the foreground group (TIOCNOTTY in ioctl_tty(2)). Those of its session
 *   without one lost it so, in a move before: only the leader could take the new one.
 *
 * `selfPid`, this reptyr, is never counted: it ends by itself and has no part in the target's work.
 */
export function jobMembers(
  target: ProcessEntry,
  table: readonly ProcessEntry[],
  selfPid: number,
): ProcessEntry[] {
  const descendants = descendantsOf(target.pid, table);
  const onItsTerminal = ({ ttyNr }: ProcessEntry) => ttyNr !== 0 && ttyNr === target.ttyNr;
  const inItsSession = ({ session, ttyNr }: ProcessEntry) =>
    target.pid === target.session && session === target.session && target.ttyNr !== 0 &&
    (ttyNr === target.ttyNr || ttyNr === 0);
  return table.filter((entry) =>
    entry.pid !== target.pid && entry.pid !== selfPid && (
      entry.pgrp === target.pgrp ||
      onItsTerminal(entry) && descendants.has(entry.pid) ||
      inItsSession(entry)
    )
  ).sort((a, b) => a.pid - b.pid);
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
