/** /proc/PID/status and /proc/PID/task/TID/status: proc_pid_status(5). */

import { readProcText } from "./gone.ts";

/** Real, effective, saved and file system id, as in credentials(7). */
export type Ids = readonly [real: number, effective: number, saved: number, fs: number];

export interface Status {
  /** The process this thread belongs to. Differs from the pid asked for when that is a thread's. */
  readonly tgid: number;
  readonly uids: Ids;
  readonly gids: Ids;
  /** Process that traces this thread, 0 for none, or when it is outside our pid namespace. */
  readonly tracerPid: number;
  /** SECCOMP_MODE_*: 0 off, 1 strict, 2 filter. */
  readonly seccomp: number;
  /** How many filters it is under; undefined on kernels before 5.9, which do not tell. */
  readonly seccompFilters: number | undefined;
  /** Capability sets, bit N is capability number N of capabilities(7). */
  readonly capPermitted: bigint;
  readonly capEffective: bigint;
  /** Signal sets, bit N - 1 is signal N. Pending for this thread, and for the whole process. */
  readonly sigPending: bigint;
  readonly sharedPending: bigint;
  readonly sigBlocked: bigint;
  readonly sigIgnored: bigint;
  readonly sigCaught: bigint;
  /** Ids in each pid namespace, ours first and its own last; empty where the kernel has none. */
  readonly nsPid: readonly number[];
  readonly nsPgid: readonly number[];
}

/** Whether `signal` is in `set`, one of a Status. */
export function hasSignal(set: bigint, signal: number): boolean {
  return (set >> BigInt(signal - 1) & 1n) === 1n;
}

/**
 * The `Name:\tvalue` lines of such a text. The kernel writes newlines in a process' name as `\n`, so that no line can be
 * forged: to JavaScript's expressions with the flag `m` a line would also end at a carriage return, which it leaves alone.
 */
export function statusLines(text: string): ReadonlyMap<string, string> {
  const lines = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) lines.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return lines;
}

/** Parses a whole text. Throws SyntaxError when a line that every kernel writes is missing. */
export function parseStatus(text: string): Status {
  const lines = statusLines(text);
  const line = (name: string): string => {
    const value = lines.get(name);
    if (value === undefined) throw new SyntaxError(`No line ${name} in /proc/PID/status`);
    return value;
  };
  const numbers = (value: string): number[] =>
    value.split(/\s+/).filter((word) => word !== "").map(Number);
  const ids = (name: string): Ids => {
    const [real = NaN, effective = NaN, saved = NaN, fs] = numbers(line(name));
    if (fs === undefined) throw new SyntaxError(`Line ${name} of /proc/PID/status is too short`);
    return [real, effective, saved, fs];
  };
  const mask = (name: string): bigint => BigInt(`0x${line(name)}`);
  const filters = lines.get("Seccomp_filters");
  return {
    tgid: Number(line("Tgid")),
    uids: ids("Uid"),
    gids: ids("Gid"),
    tracerPid: Number(line("TracerPid")),
    seccomp: Number(lines.get("Seccomp") ?? 0),
    seccompFilters: filters === undefined ? undefined : Number(filters),
    capPermitted: mask("CapPrm"),
    capEffective: mask("CapEff"),
    sigPending: mask("SigPnd"),
    sharedPending: mask("ShdPnd"),
    sigBlocked: mask("SigBlk"),
    sigIgnored: mask("SigIgn"),
    sigCaught: mask("SigCgt"),
    nsPid: numbers(lines.get("NSpid") ?? ""),
    nsPgid: numbers(lines.get("NSpgid") ?? ""),
  };
}

/** Status of a process, or of its thread `tid`; undefined when it is gone. */
export function readStatus(pid: number, tid?: number): Status | undefined {
  const text = readProcText(pid, tid, "status");
  return text === undefined ? undefined : parseStatus(text);
}

/** How often a thread has given up its processor or lost it; undefined when it is gone. */
export function readSwitches(pid: number, tid: number): number | undefined {
  const text = readProcText(pid, tid, "status");
  if (text === undefined) return undefined;
  const lines = statusLines(text);
  return ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"]
    .reduce((sum, name) => sum + Number(lines.get(name) ?? 0), 0);
}

const FEATURES = "x86_Thread_features";
let kernelTells: boolean | undefined;

/**
 * Whether the thread has a shadow stack: then the processor refuses to return to where no call came from.
 * Only kernels that have it tell, since 6.6, in `x86_Thread_features`.
 */
export function hasShadowStack(pid: number, tid: number): boolean {
  const features = (pid: number, tid?: number) =>
    statusLines(readProcText(pid, tid, "status") ?? "").get(FEATURES);
  kernelTells ??= features(Deno.pid) !== undefined;
  return kernelTells && /\bshstk\b/.test(features(pid, tid) ?? "");
}
