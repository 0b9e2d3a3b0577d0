/** The process that a user has asked for, from the first look at it to the end of our service. */
import { TraceeDiedError } from "../../errors.ts";
import { close } from "../../ffi/descriptor.ts";
import { pidfdOpen } from "../../ffi/process.ts";
import { orThrow } from "../../ffi/raw.ts";
import { writeStderr } from "../../log.ts";
import { isSame, type ProcessIdentity } from "../../proc/process_identity.ts";
import { cpuWarning, requireFilesFor } from "../../proc/require_room.ts";
import { readRecords } from "../record/known_records.ts";
import type { MoveOptions } from "./move_options.ts";
import { preflight } from "./preflight.ts";
import type { PreflightFacts } from "./preflight_facts.ts";
import { readWarningFacts } from "./warning_facts.ts";
import { warnings } from "./warnings.ts";

export class InspectedTarget implements Disposable {
  readonly #first: PreflightFacts;
  readonly #options: MoveOptions;
  #isFresh = true;

  private constructor(
    facts: PreflightFacts,
    options: MoveOptions,
    /** pidfd_open(2). */
    readonly pidfd: number,
  ) {
    this.#first = facts;
    this.#options = options;
  }

  /** Throws RefusedError, with the reason and the remedy, when the process cannot be moved. */
  static open(options: MoveOptions): InspectedTarget {
    const facts = preflight(options.pid, options, readRecords);
    requireFilesFor(1 + facts.members.length);
    return new InspectedTarget(
      facts,
      options,
      orThrow(pidfdOpen(facts.pid), `pidfd_open(${facts.pid})`),
    );
  }

  /** Those of the first look. */
  get facts(): PreflightFacts {
    return this.#first;
  }

  /** Tell what the user should know before anything is done. */
  warn(): void {
    warnAbout(this.#first, this.#options);
  }

  get identity(): ProcessIdentity & { readonly pidfd: number } {
    const { pid, startTime } = this.#first.stat;
    return { pid, startTime, pidfd: this.pidfd };
  }

  /**
   * The facts for an attempt to move it: for a later attempt they are read again. Throws TraceeDiedError when its number is
   * another process' by then.
   */
  look(): PreflightFacts {
    if (this.#isFresh) {
      this.#isFresh = false;
      return this.#first;
    }
    const { pid, stat } = this.#first;
    const facts = preflight(pid, this.#options, readRecords);
    if (!isSame(facts.stat, stat)) throw new TraceeDiedError(pid);
    return facts;
  }

  [Symbol.dispose](): void {
    close(this.pidfd);
  }
}

function warnAbout(
  { pid, members, inGroup, oldTerminal, status, sharedFilter }: PreflightFacts,
  { alone }: MoveOptions,
): void {
  const limit = cpuWarning();
  if (limit !== undefined) writeStderr(`reptyr: warning: ${limit}`);
  const job = alone ? [pid] : [pid, ...members.map(({ pid }) => pid)];
  const known = {
    pid,
    uid: status.uids[0],
    job,
    seccomp: status.seccomp,
    sharedFilter,
    inGroup: alone ? [] : inGroup,
    terminal: alone ? undefined : oldTerminal?.identity,
  };
  for (const line of warnings(readWarningFacts(known))) writeStderr(`reptyr: warning: ${line}`);
}
