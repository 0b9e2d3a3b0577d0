/** Whether a process has run, as its threads' context switches tell. */
import { readSwitches } from "./status.ts";
import { listTids } from "./tasks.ts";

/** How often each thread has left a processor, by TID: once more after it has run. */
export type Runs = ReadonlyMap<number, number>;

/** Empty for a process that is gone. */
export function readRuns(pid: number): Runs {
  return new Map((listTids(pid) ?? []).map((tid) => [tid, readSwitches(pid, tid) ?? 0]));
}

/** Whether a thread has run between the two, has begun or has ended. Sums of all could be the same by chance. */
export function haveRun(before: Runs, after: Runs): boolean {
  return before.size !== after.size ||
    [...before].some(([tid, count]) => after.get(tid) !== count);
}
