/** Frozen processes: a request to one has no effect before it is thawed, so none is made. */
import { HeldUpError, RefusedError, StopTimeoutError } from "../errors.ts";
import { readCommand } from "../proc/command.ts";
import { type Freezer, isFreezing, readFreezers, readFrozen, thawing } from "../proc/freezer.ts";
import { printable } from "../proc/printable.ts";
import { livingThread } from "../proc/stat.ts";
import { frozen } from "./attach_failure.ts";

/** The cgroups that may freeze some processes: looked up once, before the processes are stopped, and asked as often as needed. */
export class FreezerWatch {
  readonly #freezers: ReadonlyMap<number, readonly Freezer[]>;

  constructor(pids: readonly number[]) {
    this.#freezers = new Map(pids.map((pid) => [pid, readFreezers(pid, livingThread(pid))]));
  }

  /** Those that are frozen now, each with why it cannot be stopped. */
  look(): Map<number, RefusedError> {
    const known = new Map<string, boolean>();
    const isFrozen = (freezer: Freezer) => {
      const now = known.get(freezer.folder) ?? isFreezing(freezer);
      known.set(freezer.folder, now);
      return now;
    };
    const found = new Map<number, RefusedError>();
    for (const [pid, freezers] of this.#freezers) {
      const freezer = freezers.find(isFrozen);
      if (freezer !== undefined) found.set(pid, errorFor(pid, freezer));
    }
    return found;
  }
}

/**
 * What to say in place of `error`, that a thread did not stop, or did not go on: it may be frozen by now. `left` is what
 * cannot be undone, where there is such a thing.
 */
export function explainTimeout(error: unknown, left?: string): unknown {
  if (!(error instanceof StopTimeoutError)) return error;
  const freezer = readFrozen(error.pid, error.tid);
  if (error instanceof HeldUpError) return explainHeldUp(error, freezer, left);
  return freezer === undefined ? error : errorFor(error.pid, freezer);
}

function explainHeldUp(
  error: HeldUpError,
  freezer: Freezer | undefined,
  left: string | undefined,
): RefusedError {
  const { pid, comesBack } = error;
  const message = freezer === undefined
    ? error.message
    : `Process ${pid} was frozen while it was being worked on, as all of cgroup ${
      printable(freezer.path)
    } was`;
  const rest = comesBack
    ? left ??
      "As soon as it goes on it undoes by itself what had been done"
    : "Not all could be put back: see whether the process still works";
  const remedies = freezer === undefined ? [] : thawing(freezer, Deno.uid() ?? 0);
  return new RefusedError(message, [...remedies, rest], { cause: error });
}

function errorFor(pid: number, freezer: Freezer): RefusedError {
  const command = readCommand(pid, livingThread(pid)) ?? "[ended]";
  return frozen({ pid, command }, freezer, Deno.uid() ?? 0);
}
