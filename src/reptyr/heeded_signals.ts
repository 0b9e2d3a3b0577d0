/** Which of the signals that would end this program it has to heed. */
import { SIGPIPE } from "../ffi/constants.ts";
import { hasSignal, readStatus } from "../proc/status.ts";

/**
 * `signals`, each with the exit status for it, by whether they were ignored when this program was started. nohup(1)
 * ignores SIGHUP for its command, and a script SIGINT and SIGQUIT for what it starts by `&`. To be asked before the
 * first listener is added, with which Deno takes SIGHUP, SIGINT and SIGTERM over, ignored or not.
 */
export function sortSignals<S extends Deno.Signal>(
  signals: ReadonlyMap<S, number>,
): { heeded: S[]; ignored: S[] } {
  const set = readStatus(Deno.pid)?.sigIgnored ?? 0n;
  const heeded: S[] = [];
  const ignored: S[] = [];
  for (const [name, status] of signals) {
    (hasSignal(set, status - 128) ? ignored : heeded).push(name);
  }
  return { heeded, ignored };
}

/** What this program was started with as ignored, as of {@linkcode sortSignals}: but for SIGPIPE, which Deno ignores. */
export function inheritedIgnored(): bigint {
  return (readStatus(Deno.pid)?.sigIgnored ?? 0n) & ~(1n << BigInt(SIGPIPE - 1));
}
