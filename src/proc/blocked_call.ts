/** /proc/PID/task/TID/syscall: proc_pid_syscall(5). */
import { readProcText } from "./gone.ts";
import { readStat } from "./stat.ts";

export interface BlockedCall {
  readonly number: bigint;
  /** Six. */
  readonly args: readonly bigint[];
  readonly stackPointer: bigint;
  readonly instructionPointer: bigint;
}

/** The call that a thread sleeps in; `undefined` for one that runs, or is blocked outside of any call. */
export function parseBlockedCall(text: string): BlockedCall | undefined {
  const words = text.trim().split(" ");
  if (words.length !== 9) return undefined;
  const values = words.map(BigInt);
  const [number = 0n] = values;
  const [stackPointer = 0n, instructionPointer = 0n] = values.slice(7);
  return { number, args: values.slice(1, 7), stackPointer, instructionPointer };
}

/** As {@linkcode parseBlockedCall}; also `undefined` when the thread is gone, or the kernel does not tell. */
export function readBlockedCall(pid: number, tid: number): BlockedCall | undefined {
  return parseBlockedCall(readText(pid, tid));
}

/**
 * Whether the thread may be on its way into a call: it runs, waits for a processor, or is blocked elsewhere, as by a page
 * fault. False when the kernel does not tell.
 */
export function mayEnterCall(pid: number, tid: number): boolean {
  const text = readText(pid, tid);
  if (text.startsWith("running")) return true;
  return text.startsWith("-1 ") && /[RSD]/.test(readStat(pid, tid)?.state ?? "X");
}

function readText(pid: number, tid: number): string {
  try {
    return readProcText(pid, tid, "syscall") ?? "";
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return "";
    throw error;
  }
}
