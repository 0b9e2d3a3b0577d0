/** Who is watched, remembered over a time in which nobody is. */
import { readStat } from "../../proc/stat.ts";
import type { Thread } from "./table.ts";

/** For the user, once the time is over. */
export const GAP_TEXT =
  "While this was stopped nothing was watched, so as not to hold anybody up: what was written meanwhile is not shown";

export class WatchedProcesses {
  readonly #startTimes = new Map<number, bigint | undefined>();

  constructor(threads: Iterable<Thread>) {
    for (const { process: { pid } } of threads) {
      if (!this.#startTimes.has(pid)) this.#startTimes.set(pid, readStat(pid)?.startTime);
    }
  }

  get pids(): Iterable<number> {
    return this.#startTimes.keys();
  }

  /** Those that have not ended: a number may belong to another process by now. */
  remaining(): number[] {
    return [...this.#startTimes]
      .filter(([pid, time]) => time !== undefined && readStat(pid)?.startTime === time)
      .map(([pid]) => pid);
  }
}
