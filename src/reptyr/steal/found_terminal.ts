/** The terminal that a user has asked for with `-T`, from the first look at it until it is ours. */
import { TraceeDiedError } from "../../errors.ts";
import { close } from "../../ffi/descriptor.ts";
import { pidfdOpen } from "../../ffi/process.ts";
import { orThrow } from "../../ffi/raw.ts";
import { writeStderr } from "../../log.ts";
import { encodeDevice, ptsDevice } from "../../proc/device.ts";
import { isSame, type ProcessIdentity } from "../../proc/process_identity.ts";
import { cpuWarning } from "../../proc/require_room.ts";
import { readStats } from "../../proc/stats.ts";
import { Pty } from "../../tty/pty.ts";
import { stealFailure, type WantedTerminal } from "../inspect/stolen_terminal.ts";
import { readWarningFacts } from "../inspect/warning_facts.ts";
import { warnings } from "../inspect/warnings.ts";
import { type StealFacts, stealPreflight } from "./preflight.ts";

export class FoundTerminal implements Disposable {
  readonly #first: StealFacts;
  #isFresh = true;
  #pty: Pty | undefined;

  private constructor(
    facts: StealFacts,
    /** pidfd_open(2) of the process that was asked for. */
    readonly pidfd: number,
  ) {
    this.#first = facts;
  }

  /** Throws RefusedError, with the reason and the remedy, when the terminal cannot be taken. */
  static of(pid: number): FoundTerminal {
    using undo = new DisposableStack();
    const facts = stealPreflight(pid);
    undo.defer(() => close(facts.master));
    warnAbout(facts);
    const pidfd = openPidfd(facts);
    undo.move();
    return new FoundTerminal(facts, pidfd);
  }

  /** Our own descriptor of the master, which is closed when this is disposed of. */
  get master(): number {
    return this.#first.master;
  }

  get wanted(): WantedTerminal {
    return this.#first.wanted;
  }

  /** The process that was asked for. */
  get target(): ProcessIdentity & { readonly pidfd: number } {
    const { pid, startTime } = this.#first.target.stat;
    return { pid, startTime, pidfd: this.pidfd };
  }

  /** The processes that held the master at the first look. */
  get holders(): readonly ProcessIdentity[] {
    return this.#first.holders;
  }

  /**
   * The facts for an attempt to take it. For a later attempt they are read again: others may hold the master by then. Throws
   * TraceeDiedError when the process' number is another's.
   */
  look(): StealFacts {
    if (this.#isFresh) {
      this.#isFresh = false;
      return this.#first;
    }
    const { pid, stat } = this.#first.target;
    const { target, holders, master } = stealPreflight(pid);
    close(master);
    if (isSame(target.stat, stat)) return { ...this.#first, holders };
    throw new TraceeDiedError(pid);
  }

  /** The terminal as ours, once no other process has its master. It is closed with this object. */
  adopt(): Pty {
    return this.#pty ??= Pty.adopt(this.master);
  }

  [Symbol.dispose](): void {
    if (this.#pty === undefined) close(this.master);
    else this.#pty[Symbol.dispose]();
    close(this.pidfd);
  }
}

function openPidfd({ target }: StealFacts): number {
  try {
    return orThrow(pidfdOpen(target.pid), `pidfd_open(${target.pid})`);
  } catch (error) {
    throw stealFailure(error, target);
  }
}

/**
 * What the user should know before anything is done. Nothing is injected into the programs on the terminal, and it stays
 * the /dev/tty of them all.
 */
function warnAbout({ target, wanted }: StealFacts): void {
  const limit = cpuWarning();
  if (limit !== undefined) writeStderr(`reptyr: warning: ${limit}`);
  const device = encodeDevice(ptsDevice(wanted.index));
  const job = readStats().filter(({ ttyNr, session }) =>
    ttyNr >>> 0 === device && session === wanted.session
  ).map(({ pid }) => pid);
  const { pid, status: { uids: [uid] } } = target;
  const known = { pid, uid, job, seccomp: 0, inGroup: [], terminal: undefined };
  for (const line of warnings({ ...readWarningFacts(known), bereft: [], shells: [] })) {
    writeStderr(`reptyr: warning: ${line}`);
  }
}
