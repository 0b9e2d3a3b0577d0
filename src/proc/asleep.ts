/**
 * Threads in uninterruptible sleep, state D: nothing ends it but what is slept for. Of most it takes milliseconds; the
 * parent of a vfork(2) child, or one that waits for a file server, may sleep so for days.
 */
import { usleep } from "../ffi/process.ts";
import { readable } from "./gone.ts";
import { readStat } from "./stat.ts";
import { readSwitches } from "./status.ts";
import { listTids, readWchan } from "./tasks.ts";

export interface Sleeper {
  readonly pid: number;
  readonly tid: number;
  /** How often it had left a processor: it has been awake when that changes. */
  readonly switches: number | undefined;
}

/** Those of the threads of `pids` that sleep so just now. */
export function sleepersOf(pids: readonly number[]): Sleeper[] {
  return pids.flatMap((pid) =>
    (readable(() => listTids(pid)) ?? []).filter((tid) => isAsleep(pid, tid))
      .map((tid) => ({ pid, tid, switches: readSwitches(pid, tid) }))
  );
}

/** Whether it sleeps, and has not been awake since. */
export function sleepsOn({ pid, tid, switches }: Sleeper): boolean {
  return isAsleep(pid, tid) && readSwitches(pid, tid) === switches;
}

function isAsleep(pid: number, tid: number): boolean {
  return readable(() => readStat(pid, tid))?.state === "D";
}

/** Longer than a disk takes. */
const LASTING_US = 50_000;

/** One that has slept for a while, with the kernel function that it does so in. */
export function lastingSleeper(
  pids: readonly number[],
): { readonly pid: number; readonly tid: number; readonly where: string } | undefined {
  const sleepers = sleepersOf(pids);
  if (sleepers.length === 0) return undefined;
  usleep(LASTING_US);
  const lasting = sleepers.find(sleepsOn);
  return lasting && { ...lasting, where: readWchan(lasting.pid, lasting.tid) };
}
