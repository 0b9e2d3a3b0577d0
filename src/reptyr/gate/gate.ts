/**
 * The gate in front of kill(2), pidfd_send_signal(2) and PTRACE_SEIZE. Whatever list a process comes from: no signal and
 * no ptrace request goes to it, and with that no descriptor, unless it has been admitted by name. Nothing else in
 * src/reptyr makes these calls, which scripts/check_layers.ts holds.
 *
 * Who is admitted is decided elsewhere: jobMembers() for a job, the holders of a master for -T, a record for a job that
 * another reptyr served.
 */
import { RefusedError, TraceeDiedError } from "../../errors.ts";
import { SIGCONT, SIGKILL } from "../../ffi/constants.ts";
import { close } from "../../ffi/descriptor.ts";
import { kill, pidfdOpen, pidfdSendSignal } from "../../ffi/process.ts";
import { verbose } from "../../log.ts";
import { isMachineInit } from "../../proc/init.ts";
import { lookAgain } from "../../proc/look_again.ts";
import { currentStat, identityOf, type ProcessIdentity } from "../../proc/process_identity.ts";
import { hasEnded } from "../../proc/second_look.ts";
import type { AskedThreads } from "../../tracee/asked_threads.ts";
import { type SeizeOptions, Tracee } from "../../tracee/tracee.ts";
import type { Authority } from "./record_holder.ts";
import { isSuspendedReptyr } from "./suspended.ts";

/** As AskedThreads of src/tracee/asked_threads.ts. */
export type AskedProcess = Pick<AskedThreads, "stopping" | "callOff">;

export class Gate {
  readonly #admitted = new Map<number, Admission>();
  readonly #barred = new Map<number, bigint>();
  readonly #authority: Authority | undefined;

  /** `authority` is whose word tells of the processes, where it is that of another: it is asked before each act. */
  constructor(processes: Iterable<ProcessIdentity> = [], authority?: Authority) {
    this.#authority = authority;
    this.admit(processes);
  }

  /**
   * From now on these may be stopped and signalled; the init of this machine never may. One that is admitted already stays
   * so: what it was admitted by limits what may be done to it, however else it is found later.
   */
  admit(processes: Iterable<ProcessIdentity>, authority = this.#authority): void {
    for (const { pid, startTime } of processes) {
      const isBarred = this.bars({ pid, startTime }) || isMachineInit(pid);
      if (isBarred || this.admits({ pid, startTime })) continue;
      this.#admitted.set(pid, { startTime, authority });
    }
  }

  /** These belong to the job because `known` do: what limits any of those limits them. */
  admitBy(known: readonly ProcessIdentity[], processes: Iterable<ProcessIdentity>): void {
    const limits = known.map((one) => this.#authorityFor(one));
    this.admit(processes, limits.find((one) => one !== undefined) ?? this.#authority);
  }

  /** These are not to be admitted, now or ever: they are near the job, and no part of it. */
  bar(processes: Iterable<ProcessIdentity>): void {
    for (const { pid, startTime } of processes) this.#barred.set(pid, startTime);
  }

  bars({ pid, startTime }: ProcessIdentity): boolean {
    return this.#barred.get(pid) === startTime;
  }

  /** Whether it has been admitted, and not an earlier process of its number. */
  admits({ pid, startTime }: ProcessIdentity): boolean {
    return this.#admitted.get(pid)?.startTime === startTime;
  }

  /** Whether it was admitted on the word of one that may do less than we may: that is not to be said on as our own. */
  isLimited(process: ProcessIdentity): boolean {
    return this.#authorityFor(process)?.isOurs === false;
  }

  /** Send `signal` to exactly this process; false when it has ended, or is not admitted. */
  signal(process: ProcessIdentity, signal: number): boolean {
    if (!this.admits(process)) {
      verbose(`Process ${process.pid} is no part of the job: it gets no signal ${signal}`);
      return false;
    }
    const authority = this.#authorityFor(process);
    return signalIf(process, signal, () => authority?.maySignal(process, signal) ?? true);
  }

  /** As Tracee.ask(), of exactly this process. Throws RefusedError when it is not admitted. */
  ask(process: ProcessIdentity, options: SeizeOptions): AskedProcess {
    this.#require(process);
    const asked = Tracee.ask(process.pid, options);
    const exactly = (tracee: Tracee) => this.#exactly(process, tracee);
    return {
      *stopping() {
        return exactly(yield* asked.stopping());
      },
      callOff: (error) => asked.callOff(error),
    };
  }

  /** As Tracee.seize(), of exactly this process. Throws RefusedError when it is not admitted. */
  seize(process: ProcessIdentity, options: SeizeOptions): Tracee {
    this.#require(process);
    return this.#exactly(process, Tracee.seize(process.pid, options));
  }

  #require(process: ProcessIdentity): void {
    const { pid } = process;
    if (!this.admits(process)) throw new RefusedError(`Process ${pid} is no part of the job`);
    if (currentStat(process) === undefined) throw new TraceeDiedError(pid);
    this.#requireAuthority(process);
  }

  /**
   * ptrace(2) knows a process by its number alone. Once it is traced that cannot become another's, and it cannot become
   * what the authority may not trace.
   */
  #exactly(process: ProcessIdentity, tracee: Tracee): Tracee {
    try {
      if (currentStat(process) === undefined) throw new TraceeDiedError(process.pid);
      this.#requireAuthority(process);
      return tracee;
    } catch (error) {
      tracee.detach();
      throw error;
    }
  }

  #requireAuthority(process: ProcessIdentity): void {
    const authority = this.#authorityFor(process);
    const isForbidden = (may: boolean) => !may && !hasEnded(process);
    if (authority === undefined) return;
    if (lookAgain(() => authority.mayTrace(process), isForbidden)) return;
    throw new RefusedError(
      `Process ${process.pid} is named by another reptyr, which may not trace it`,
    );
  }

  #authorityFor({ pid }: ProcessIdentity): Authority | undefined {
    return this.#admitted.get(pid)?.authority;
  }
}

interface Admission {
  readonly startTime: bigint;
  readonly authority: Authority | undefined;
}

function signalIf(process: ProcessIdentity, signal: number, isAllowed: () => boolean): boolean {
  const pidfd = pidfdOpen(process.pid);
  if (pidfd < 0) return false;
  try {
    return currentStat(process) !== undefined && isAllowed() && pidfdSendSignal(pidfd, signal) >= 0;
  } finally {
    close(pidfd);
  }
}

/** Our own process group, for a key that is for us: as the kernel does on the terminal that we run on. */
export function signalOwnGroup(signal: number): void {
  kill(0, signal);
}

/** A child of ours that nobody has waited for: its number cannot become another's. */
export function signalOwnChild(pid: number, signal: Deno.Signal): void {
  Deno.kill(pid, signal);
}

/** A child that a member was made to have for a moment, which we trace from its birth: pgrp_holder.ts. */
export function endTracedChild(pid: number): void {
  kill(pid, SIGKILL);
}

/**
 * The only process that is not of the job and hears of us: a stopped reptyr that traces one of it. That it is a reptyr is a
 * claim, but of the one that is continued.
 */
export function continueHolder(tracer: number): boolean {
  return signalIf(identityOf(tracer), SIGCONT, () => isSuspendedReptyr(tracer));
}
