/** Stopping a set of processes until no new one is left: what is not stopped may fork in the meantime. */
import { servesFiles } from "../../../proc/file_servers.ts";
import { tooMany } from "../../../tracee/stop_threads.ts";
import type { Deadline, Waits } from "../../../tracee/wait.ts";

export interface Waves<P> {
  readonly first: readonly P[];
  /**
   * Stop processes at the same time. Returns those that were let go again meanwhile, which are to be stopped once more.
   * `areServers`: other processes may wait for them, for they serve file systems.
   */
  readonly stop: (processes: readonly P[], areServers: boolean) => Waits<readonly P[]>;
  /** Those that have come since, and are not stopped. */
  readonly findNew: () => readonly P[];
  readonly deadline: Deadline;
  /** The PID that a message names for all of them. */
  readonly leader: number;
}

/**
 * Servers of file systems come last, one after another, when no other process is left: a process that waits for one stops
 * only when it has its answer. Throws StopTimeoutError when new processes come faster than they can be stopped.
 */
export function* stopInWaves<P extends { readonly pid: number }>(
  { first, stop, findNew, deadline, leader }: Waves<P>,
): Waits<void> {
  const servers: P[] = [];
  for (let wave = first;; wave = findNew()) {
    const known = new Set(servers.map(({ pid }) => pid));
    const fresh = wave.filter(({ pid }) => !known.has(pid));
    const serving = new Set(fresh.filter(({ pid }) => servesFiles(pid)));
    servers.push(...serving);
    const clients = fresh.filter((one) => !serving.has(one));
    const turn = clients.length > 0 ? clients : servers.splice(0, 1);
    const [next] = turn;
    if (next === undefined) return;
    if (wave !== first && fresh.length > 0 && deadline.passed) {
      throw tooMany(leader, next.pid, deadline);
    }
    servers.push(...yield* stop(turn, clients.length === 0));
  }
}
