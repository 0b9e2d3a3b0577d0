/**
 * Processes that moved with the target but are not in its session. The keyboard's signals and the window's go to
 * the foreground process group of the new terminal, which is the target's. reptyr passes these signals on to relayed groups.
 *
 * A group is no proof: a daemon may share it. So only processes of the group that the gate admits are signalled: processes
 * that moved with the target, their children since, and processes that have the served terminal open.
 */
import { SIGCONT, SIGSTOP, SIGWINCH } from "../../ffi/constants.ts";
import { close } from "../../ffi/descriptor.ts";
import { pidfdOpen } from "../../ffi/process.ts";
import { currentStat, isSame } from "../../proc/process_identity.ts";
import { isLive, type Stat } from "../../proc/stat.ts";
import { readStats } from "../../proc/stats.ts";
import { foregroundGroup } from "../../tty/foreground.ts";
import { descendantsOf } from "../inspect/job_members.ts";
import { ancestorsOf, parentsFirst } from "../inspect/process_tree.ts";
import type { Audience } from "../move/attachment.ts";
import { isIn, type RelayedGroups } from "../record/relayed_groups.ts";

/**
 * Send `signal` to every process of the relayed groups for which `isMeant`, children that were born since included; parents
 * before their children. Returns these processes.
 */
export function signalRelayed(
  audience: Audience,
  signal: number,
  isMeant: (stat: Stat) => boolean = () => true,
): readonly Stat[] {
  const { relayed: { groups } } = audience;
  if (groups.length === 0) return [];
  const table = readStats();
  const meant = table.filter((stat) => groups.some((group) => isIn(group, stat)) && isMeant(stat));
  const admitted = parentsFirst(admittedOf(audience, meant, table), table);
  signalProcesses(audience, admitted, signal);
  return admitted;
}

/** The processes of `stats` that the gate admits, with processes that have come to the job since. */
function admittedOf(
  { gate, usesTerminal }: Audience,
  stats: readonly Stat[],
  table: readonly Stat[],
): Stat[] {
  const others = table.filter((stat) => !gate.bars(stat));
  const known = table.filter((stat) => gate.admits(stat));
  // The nearest parent's authority is the one that a child gets: children before their parents.
  for (const parent of parentsFirst(known, table).toReversed()) {
    const born = descendantsOf(parent.pid, others);
    if (born.size > 0) gate.admitBy([parent], table.filter(({ pid }) => born.has(pid)));
  }
  for (const stat of stats.filter((stat) => !gate.admits(stat) && usesTerminal(stat.pid))) {
    gate.admitBy(table.filter((one) => isIn(stat, one) && gate.admits(one)), [stat]);
  }
  return stats.filter((stat) => gate.admits(stat));
}

/**
 * The relayed processes that are above those that the kernel signals for the terminal of `master`: its foreground group, and at its
 * hang-up the leader of that one's session. They are to be told before the kernel tells those: a script that sees its
 * child end by SIGINT, and has none itself, goes on with its next line. Parents come before their children.
 */
export function ancestorsAmong(audience: Audience, master: number): readonly Stat[] {
  const { relayed: { groups } } = audience;
  const group = foregroundGroup(master);
  if (group === undefined || groups.length === 0) return [];
  const table = readStats();
  const foreground = table.filter(({ pgrp }) => pgrp === group);
  const pids = foreground.flatMap(({ pid, session }) => [pid, session]);
  const above = ancestorsOf(pids, table);
  const meant = table.filter((stat) =>
    above.has(stat.pid) && groups.some((group) => isIn(group, stat))
  );
  return parentsFirst(admittedOf(audience, meant, table), table);
}

/** Send `signal` to {@linkcode ancestorsAmong}; returns these processes. */
export function signalRelayedAncestors(
  audience: Audience,
  master: number,
  signal: number,
): readonly Stat[] {
  const above = ancestorsAmong(audience, master);
  signalProcesses(audience, above, signal);
  return above;
}

/** Send `signal` to each of `processes` that is still the one it was, in their order. */
export function signalProcesses(
  { gate }: Audience,
  processes: readonly Stat[],
  signal: number,
): void {
  for (const stat of processes) gate.signal(stat, signal);
}

/** As {@linkcode signalRelayed}, for all processes but the ones in `told`. */
export function signalRelayedOthers(
  audience: Audience,
  signal: number,
  told: readonly Stat[],
): void {
  signalRelayed(audience, signal, (stat) => !told.some((one) => isSame(one, stat)));
}

/**
 * Those who would hear of a key: the relayed processes, and the foreground group of the terminal of `master`, which is in the
 * target's session. That session was begun by the move, so that all of it are below the target; or the target led it
 * before, and then they have its terminal. Parents before their children.
 */
export function hearersOf(audience: Audience, master: number, table = readStats()): Stat[] {
  const { target, relayed: { groups } } = audience;
  const foreground = foregroundGroup(master);
  const { ttyNr } = table.find(({ pid }) => pid === target) ?? { ttyNr: 0 };
  const inForeground = table.filter(({ pgrp, session }) =>
    pgrp === foreground && session === target
  );
  audience.gate.admit(inForeground.filter((stat) => stat.ttyNr !== 0 && stat.ttyNr === ttyNr));
  const relayed = table.filter((stat) => groups.some((group) => isIn(group, stat)));
  return parentsFirst(admittedOf(audience, [...inForeground, ...relayed], table), table);
}

/** A descriptor from pidfd_open(2) for each process of the relayed groups that lives. */
export function watchRelayed(
  { processes, groups }: RelayedGroups,
  cleanup: DisposableStack,
): number[] {
  return processes.map((process) => ({ process, pidfd: pidfdOpen(process.pid) })).filter(
    ({ process, pidfd }) => {
      if (pidfd < 0) return false;
      cleanup.defer(() => close(pidfd));
      const stat = currentStat(process);
      return stat !== undefined && isLive(stat) &&
        groups.some(({ session }) => stat.session === session);
    },
  ).map(({ pidfd }) => pidfd);
}

/** Children may be born until their parents have stopped: so often, at most, is looked for more. */
const STOP_PASSES = 8;

/** Stop all processes that ^Z is for; returns the stopped ones. */
export function stopHearers(audience: Audience, master: number): readonly Stat[] {
  const told: Stat[] = [];
  for (let pass = 0; pass < STOP_PASSES; pass++) {
    const fresh = unlike(told, hearersOf(audience, master));
    if (fresh.length === 0) break;
    for (const stat of fresh) audience.gate.signal(stat, SIGSTOP);
    told.push(...fresh);
  }
  return told;
}

/**
 * Let `stopped` go on, and all that would hear of ^Z by now, children before their parents: a parent that goes on is not to
 * see its child stopped. The master tells nothing any more of those that were stopped where another reptyr has taken it.
 */
export function continueHearers(
  audience: Audience,
  master: number,
  stopped: readonly Stat[],
): void {
  const table = readStats();
  const all = [...stopped, ...unlike(stopped, hearersOf(audience, master, table))];
  for (const stat of parentsFirst(all, table).toReversed()) audience.gate.signal(stat, SIGCONT);
}

/** The processes of `stats` that are none of `others`. */
function unlike(others: readonly Stat[], stats: readonly Stat[]): Stat[] {
  return stats.filter((one) => !others.some((other) => isSame(one, other)));
}

/** Tell the foreground of the terminal of `master`, and the relayed groups, of its size, where the kernel does not. */
export function tellSize(audience: Audience, master: number): void {
  for (const stat of hearersOf(audience, master)) audience.gate.signal(stat, SIGWINCH);
}
