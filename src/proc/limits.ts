/** Resource limits of a process: proc_pid_limits(5), getrlimit(2). */

import { readProcText } from "./gone.ts";

/**
 * The soft RLIMIT_NOFILE in the text of /proc/PID/limits: every descriptor number is below it. Pure.
 * Undefined when it is not told.
 */
export function parseOpenFilesLimit(text: string): number | undefined {
  const soft = /^Max open files +(\d+|unlimited) /m.exec(text)?.[1];
  return soft === "unlimited" ? Infinity : soft === undefined ? undefined : Number(soft);
}

/** That of process `pid`, read through its thread `tid`; undefined when it is gone. */
export function readOpenFilesLimit(pid: number, tid: number): number | undefined {
  const text = readProcText(pid, tid, "limits");
  return text === undefined ? undefined : parseOpenFilesLimit(text);
}
