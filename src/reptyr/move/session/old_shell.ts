/** The shell that the target is a job of, and its prompt. */
import { usleep } from "../../../ffi/process.ts";
import { readStat, type Stat } from "../../../proc/stat.ts";
import { Deadline } from "../../../tracee/wait.ts";

/**
 * The PID of the shell that has the process group of `members` as a job: a parent in the same session that put its
 * child into another process group. Not every member is a child of the shell. `undefined` when none is.
 */
export function controllingShell(members: readonly Stat[]): number | undefined {
  for (const { ppid, session, pgrp } of members) {
    const parent = readStat(ppid);
    if (parent !== undefined && parent.session === session && parent.pgrp !== pgrp) {
      return parent.pid;
    }
  }
  return undefined;
}

/** Whether the target, of which `stat` tells, is in the foreground of its terminal. */
export function isForeground(stat: Stat): boolean {
  return stat.ttyNr !== 0 && stat.tpgid === stat.pgrp;
}

/** A shell takes its terminal back within a millisecond or so; a stopped or swapped-out one never. */
const LONGEST_WAIT_S = 0.5;
const PAUSE_US = 200;

/**
 * Wait until the shell has taken the terminal back from process group `pgrp`: by then its waitpid() has
 * returned the job's stop, and continuing the job cannot hide it any more. Not for ever, see above.
 */
export function waitForPrompt(shell: number, pgrp: number): void {
  const deadline = new Deadline(LONGEST_WAIT_S);
  while (readStat(shell)?.tpgid === pgrp && !deadline.passed) usleep(PAUSE_US);
}
