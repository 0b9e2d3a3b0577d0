/** Which of the signals that would end this program it has to heed. */
import { inheritedIgnored } from "../proc/inherited_signals.ts";
import { hasSignal } from "../proc/status.ts";

/**
 * `signals`, each with the exit status for it, by whether they were ignored when this program was started. nohup(1)
 * ignores SIGHUP for its command, and a script SIGINT and SIGQUIT for what it starts by `&`. To be asked before the
 * first listener is added, with which Deno takes SIGHUP, SIGINT and SIGTERM over, ignored or not.
 */
export function sortSignals<S extends Deno.Signal>(
  signals: ReadonlyMap<S, number>,
): { heeded: S[]; ignored: S[] } {
  const set = inheritedIgnored();
  const heeded: S[] = [];
  const ignored: S[] = [];
  for (const [name, status] of signals) {
    (hasSignal(set, status - 128) ? ignored : heeded).push(name);
  }
  return { heeded, ignored };
}
