/** Which of the signals that would end this program it has to heed. */
import { readStatus } from "../proc/status.ts";

/**
 * Those of `signals`, each with the exit status for it, that were not ignored when this program was started. nohup(1)
 * ignores SIGHUP for its command, and a script SIGINT and SIGQUIT for what it starts by `&`: to listen would be to heed
 * them again.
 */
export function heeded<S extends Deno.Signal>(signals: ReadonlyMap<S, number>): S[] {
  const ignored = readStatus(Deno.pid)?.sigIgnored ?? 0n;
  const bit = (status: number) => 1n << BigInt(status - 128 - 1);
  return [...signals].filter(([, status]) => (ignored & bit(status)) === 0n).map(([name]) => name);
}
