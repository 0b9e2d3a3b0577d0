/**
 * A process by a name that is never another's. Linux gives a PID again once its process is gone; the start time that
 * proc_pid_stat(5) gives as field 22 tells the two apart.
 */
import { isLive, readStat, type Stat } from "./stat.ts";

export interface ProcessIdentity {
  readonly pid: number;
  /** As in {@linkcode Stat}: clock ticks after boot. */
  readonly startTime: bigint;
}

/** The identity alone, of a process about which more is known. */
export function toIdentity({ pid, startTime }: ProcessIdentity): ProcessIdentity {
  return { pid, startTime };
}

/** The identity of whichever process has the number now. One that is gone has the start time 0, which no process has. */
export function identityOf(pid: number): ProcessIdentity {
  return { pid, startTime: readStat(pid)?.startTime ?? 0n };
}

/** Whether both name the same process. */
export function isSame(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.startTime === b.startTime;
}

/** What the kernel tells of the process just now; undefined when it is gone. A zombie is still there. */
export function currentStat(process: ProcessIdentity): Stat | undefined {
  const stat = readStat(process.pid);
  return stat !== undefined && isSame(stat, process) ? stat : undefined;
}

/** Whether anything of the process still runs. */
export function isAlive(process: ProcessIdentity): boolean {
  const stat = currentStat(process);
  return stat !== undefined && isLive(stat);
}
