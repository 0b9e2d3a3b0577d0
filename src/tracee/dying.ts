/** Whether a thread that answers no request is about to be gone. */
import { usleep } from "../ffi/process.ts";
import { isDeadState, readStat } from "../proc/stat.ts";

/** How long a thread that SIGKILL has reached may take to show it. */
const DYING_TRIES = 1000;
const DYING_PAUSE_US = 1000;

/**
 * ESRCH means that the thread is gone, or that it runs where it should be stopped: a defect of ours that must not be
 * taken for the former, or the thread would be left with our registers.
 */
export function isDying(tid: number): boolean {
  for (let tries = 0; tries < DYING_TRIES; tries++) {
    if (isDeadState(readStat(tid, tid)?.state ?? "X")) return true;
    usleep(DYING_PAUSE_US);
  }
  return false;
}
