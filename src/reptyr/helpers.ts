/**
 * Processes that moved with the target but are not in its session. The keyboard's signals and the window's go to
 * the foreground process group of the new terminal, and that is the target's: for them we pass those on.
 */
import { close } from "../ffi/descriptor.ts";
import { pidfdOpen, pidfdSendSignal } from "../ffi/process.ts";
import { isLive, readStat, type Stat } from "../proc/stat.ts";
import { readStats } from "../proc/stats.ts";
import { foregroundGroup } from "../tty/foreground.ts";
import type { HelperGroup } from "./job_record.ts";
import { ancestorsOf, parentsFirst } from "./kinship.ts";
import type { Authority } from "./record_holder.ts";

export interface Helpers {
  /** The process groups that they are in now, with the session that they are still in. */
  readonly groups: readonly HelperGroup[];
  readonly pids: readonly number[];
  /** On whose word they are known; undefined for those of a job that we have moved ourselves. */
  readonly authority?: Authority;
}

/**
 * Send `signal` to every process of the helpers' groups for which `isMeant`, to children that were born since too;
 * parents before their children. Who they were.
 */
export function signalHelpers(
  { groups, authority }: Helpers,
  signal: number,
  isMeant: (stat: Stat) => boolean = () => true,
): readonly Stat[] {
  if (groups.length === 0) return [];
  const table = readStats();
  const meant = table.filter((stat) => groups.some((group) => isIn(group, stat)) && isMeant(stat));
  signalProcesses(parentsFirst(meant, table), signal, authority);
  return meant;
}

/**
 * The helpers that are above those that the kernel signals for the terminal of `master`: its foreground group, and at its
 * hang-up the leader of that one's session. They are to be told before the kernel tells those: a script that sees its
 * child end by SIGINT, and has none itself, goes on with its next line. Parents come before their children.
 */
export function ancestorsAmong({ groups }: Helpers, master: number): readonly Stat[] {
  const group = foregroundGroup(master);
  if (group === undefined || groups.length === 0) return [];
  const table = readStats();
  const foreground = table.filter(({ pgrp }) => pgrp === group);
  const pids = foreground.flatMap(({ pid, session }) => [pid, session]);
  const above = ancestorsOf(pids, table);
  const meant = table.filter((stat) =>
    above.has(stat.pid) && groups.some((group) => isIn(group, stat))
  );
  return parentsFirst(meant, table);
}

/** Send `signal` to {@linkcode ancestorsAmong}; who they were. */
export function signalAncestors(
  helpers: Helpers,
  master: number,
  signal: number,
): readonly Stat[] {
  const above = ancestorsAmong(helpers, master);
  signalProcesses(above, signal, helpers.authority);
  return above;
}

/**
 * Send `signal` to each of `processes` that is still the one it was, in their order; where they are known on the word of
 * another, to those that it could send it to itself.
 */
export function signalProcesses(
  processes: readonly Stat[],
  signal: number,
  authority: Authority | undefined,
): void {
  for (const stat of processes) signalProcess(stat, signal, authority);
}

/** As signalHelpers(), for all but those who were `told`. */
export function signalOthers(helpers: Helpers, signal: number, told: readonly Stat[]): void {
  signalHelpers(helpers, signal, (stat) => !told.some((one) => isSame(one, stat)));
}

function signalProcess(stat: Stat, signal: number, authority: Authority | undefined): void {
  const pidfd = pidfdOpen(stat.pid);
  if (pidfd < 0) return;
  const now = readStat(stat.pid);
  const isAllowed = authority?.maySignal(stat, signal) ?? true;
  if (now !== undefined && isSame(now, stat) && isAllowed) pidfdSendSignal(pidfd, signal);
  close(pidfd);
}

/** A process' number is used again, but not with the time of its start. */
function isSame(a: Stat, b: Stat): boolean {
  return a.pid === b.pid && a.startTime === b.startTime;
}

/** Those of the helpers that live, with what they are known by from now on: pidfd_open(2). */
export function watchHelpers({ pids, groups }: Helpers, cleanup: DisposableStack): number[] {
  return pids.map((pid) => ({ pid, pidfd: pidfdOpen(pid) })).filter(({ pid, pidfd }) => {
    if (pidfd < 0) return false;
    cleanup.defer(() => close(pidfd));
    const stat = readStat(pid);
    return stat !== undefined && isLive(stat) &&
      groups.some(({ session }) => stat.session === session);
  }).map(({ pidfd }) => pidfd);
}

/** Whether the process of `stat` is in that group. */
export function isIn({ session, pgrp }: HelperGroup, stat: Stat): boolean {
  return stat.session === session && stat.pgrp === pgrp;
}
