/** Which processes and threads there are, and where a thread waits. */

import { readProcText, unlessGone } from "./gone.ts";

/** Pids of every process that /proc shows, ascending. */
export function listPids(): number[] {
  return numericEntries("/proc");
}

/** Tids of every thread of a process, ascending; undefined when the process is gone. */
export function listTids(pid: number): number[] | undefined {
  const tids = unlessGone(() => numericEntries(`/proc/${pid}/task`));
  // While the last thread is being reaped the folder can still be opened and holds nothing.
  return tids?.length === 0 ? undefined : tids;
}

/**
 * Pids of the children that a thread has forked, zombies among them. Exact only while they are stopped: a child
 * that is forked or reaped meanwhile may hide another, as proc_pid_tid_children(5) warns. Empty when the
 * thread is gone.
 */
export function readChildren(pid: number, tid: number): number[] {
  const text = readProcText(pid, tid, "children") ?? "";
  return text.split(" ").filter((word) => word.trim() !== "").map(Number);
}

/**
 * Kernel function a sleeping thread waits in, such as `do_sys_poll`. Empty when it does not sleep, when
 * it is gone, and when the kernel does not tell us.
 */
export function readWchan(pid: number, tid: number): string {
  try {
    const name = readProcText(pid, tid, "wchan") ?? "";
    return name === "0" ? "" : name;
  } catch {
    return "";
  }
}

function numericEntries(folder: string): number[] {
  return Array.from(Deno.readDirSync(folder), (entry) => entry.name)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}
