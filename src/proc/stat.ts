/** /proc/PID/stat and /proc/PID/task/TID/stat: proc_pid_stat(5). */

import { readProcText } from "./gone.ts";
import { listTids } from "./tasks.ts";

/** Bit of `Stat.flags` set for kernel threads (include/linux/sched.h). */
export const PF_KTHREAD = 0x00200000;
/** Bit of `flags`: it has not called execve(2) since it was forked. */
export const PF_FORKNOEXEC = 0x00000040;
/** Bit of `flags`: the thread is ending, and may have closed its files already. */
export const PF_EXITING = 0x00000004;

export interface Stat {
  readonly pid: number;
  /** The name, at most 15 bytes, any bytes but NUL: it may hold `)`, spaces and newlines. */
  readonly comm: string;
  /** One letter: R, S, D, T (job-stopped), t (traced), Z (zombie), X (dead), I (idle kernel thread). */
  readonly state: string;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  /** Device number of the controlling terminal, 0 for none. See `decodeDevice()`. */
  readonly ttyNr: number;
  /** Foreground process group of the controlling terminal, -1 for none. */
  readonly tpgid: number;
  readonly flags: number;
  readonly numThreads: number;
  /** Clock ticks after boot. With the pid it names a process for good: pids are used again. */
  readonly startTime: bigint;
  /** As from waitpid(2). 0 until the process is a zombie, and where we may not ptrace it. */
  readonly exitCode: number;
}

/** Whether this is a kernel thread. */
export function isKernelThread(stat: Stat): boolean {
  return (stat.flags & PF_KTHREAD) !== 0;
}

/**
 * Whether anything of the process still runs. A first thread that has exited shows state Z as long as
 * other threads live; they are still counted in `numThreads`. See also {@linkcode readStat}.
 */
export function isLive(stat: Stat): boolean {
  return !isDeadState(stat.state) || stat.numThreads > 1;
}

/** Whether a state letter says that this thread runs no more. */
export function isDeadState(state: string): boolean {
  return state === "Z" || state === "X" || state === "x";
}

/**
 * Parses one stat line. The name ends at the LAST `)`: only numbers follow it, while the name itself
 * may hold any number of them. Throws SyntaxError when the text is no stat line.
 */
export function parseStat(text: string): Stat {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 1).trim().split(/\s+/);
  // proc_pid_stat(5) numbers the fields from 1; `state` is the third and the first after the name.
  const field = (number: number): string => {
    const value = fields[number - 3];
    if (open < 1 || close < open || value === undefined) {
      throw new SyntaxError(`Not a /proc/PID/stat line: ${JSON.stringify(text.slice(0, 80))}`);
    }
    return value;
  };
  return {
    pid: Number(text.slice(0, open).trim()),
    comm: text.slice(open + 1, close),
    state: field(3),
    ppid: Number(field(4)),
    pgrp: Number(field(5)),
    session: Number(field(6)),
    ttyNr: Number(field(7)),
    tpgid: Number(field(8)),
    flags: Number(field(9)),
    numThreads: Number(field(20)),
    startTime: BigInt(field(22)),
    exitCode: Number(field(52)),
  };
}

/**
 * Stat of a process, or of its thread `tid`; undefined when it is gone.
 *
 * The first thread of a process may have exited before the others, by pthread_exit(3) in main(). The kernel shows the state
 * and the flags of that thread then: a zombie. So state and flags are taken from a thread that lives.
 */
export function readStat(pid: number, tid?: number): Stat | undefined {
  const stat = readOwnStat(pid, tid);
  if (stat === undefined) return undefined;
  if (tid !== undefined || !isDeadState(stat.state) || stat.numThreads <= 1) return stat;
  const living = livingThread(pid);
  const { state, flags } = (living === undefined ? undefined : readStat(pid, living)) ?? stat;
  return { ...stat, state, flags };
}

/**
 * A thread that executes a program takes the number of the first thread, which is reaped then. A reader that opened the file
 * before, and reads it after, sees that first thread: dead, in a process without threads. So does a reader of a thread that
 * has just been reaped.
 */
function readOwnStat(pid: number, tid: number | undefined): Stat | undefined {
  for (let looks = 1;; looks++) {
    const text = readProcText(pid, tid, "stat");
    if (text === undefined) return undefined;
    const stat = parseStat(text);
    if (stat.numThreads > 0 || looks === LOOKS) return stat;
  }
}

/** How often to look for a thread that lives: a list of threads that end soon after clone(2) is soon out of date. */
const LOOKS = 20;

/**
 * A thread that tells of its process: the first, `pid`, unless that has ended, or is about to, before the others. It has no
 * descriptors, no memory and no tracer to show any more. Undefined when none lives. The number is no help: a
 * thread that is cloned after PIDs have wrapped has a lower one than the first.
 */
export function livingThread(pid: number): number | undefined {
  for (let looks = 0; looks < LOOKS; looks++) {
    if (!isEnding(pid, pid)) return pid;
    const others = (listTids(pid) ?? []).filter((tid) => tid !== pid);
    // One that executes a program may have taken that number since.
    if (others.length === 0 && isEnding(pid, pid)) return undefined;
    const found = others.find((tid) => !isEnding(pid, tid));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether process `pid` has ended or is about to: all of its threads are. */
export function isEndingProcess(pid: number): boolean {
  return (listTids(pid) ?? []).every((tid) => isEnding(pid, tid));
}

/** Whether thread `tid` of process `pid` has ended or is about to: it makes no system call any more. */
export function isEnding(pid: number, tid: number): boolean {
  const stat = readStat(pid, tid);
  return stat === undefined || (stat.flags & PF_EXITING) !== 0;
}
