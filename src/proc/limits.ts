/** Resource limits of a process: proc_pid_limits(5), getrlimit(2). */

import { readProcText } from "./gone.ts";

/** RLIMIT_NOFILE: every descriptor number that is opened is below `soft`, which the process may raise up to `hard`. */
export interface OpenFilesLimit {
  readonly soft: number;
  readonly hard: number;
}

/** The limit in the text of /proc/PID/limits, undefined when it is not told. Pure. */
export function parseOpenFilesLimit(text: string): OpenFilesLimit | undefined {
  const [, soft, hard] = /^Max open files +(\d+|unlimited) +(\d+|unlimited) /m.exec(text) ?? [];
  return soft === undefined || hard === undefined
    ? undefined
    : { soft: toNumber(soft), hard: toNumber(hard) };
}

function toNumber(word: string): number {
  return word === "unlimited" ? Infinity : Number(word);
}

/** That of process `pid`, read through its thread `tid`; undefined when it is gone. */
export function readOpenFilesLimit(pid: number, tid: number): OpenFilesLimit | undefined {
  const text = readProcText(pid, tid, "limits");
  return text === undefined ? undefined : parseOpenFilesLimit(text);
}

/**
 * The least soft limit, not below `soft`, under which `count` numbers from `first` on are free beside those that are
 * `used`, and under which number `highest` may be opened over. Pure.
 */
export function limitFor(
  { soft, used, first, count, highest }: {
    readonly soft: number;
    readonly used: Iterable<number>;
    readonly first: number;
    readonly count: number;
    readonly highest: number;
  },
): number {
  const taken = new Set(used);
  let free = Math.max(0, soft - first);
  for (const fd of taken) if (fd >= first && fd < soft) free--;
  let limit = Math.max(soft, first);
  for (; free < count; limit++) if (!taken.has(limit)) free++;
  return Math.max(limit, highest + 1);
}
