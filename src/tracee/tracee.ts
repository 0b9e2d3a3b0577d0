/** A process whose threads are all stopped, from `Tracee.seize` until `detach`. */
import {
  type Architecture,
  architectureOf,
  type SyscallName,
  unsupportedProgram,
} from "../arch/mod.ts";
import { type HeldUpError, RefusedError, TraceeDiedError } from "../errors.ts";
import { kill } from "../ffi/process.ts";
import { readWordBytes } from "../proc/auxv.ts";
import { AskedThreads } from "./asked_threads.ts";
import { awaitBlockedCalls } from "./blocked_calls.ts";
import type { CallFilter } from "./call_filter.ts";
import { getRegisters } from "./ptrace.ts";
import { releaseReturning, releaseThreads } from "./release.ts";
import { findSigframePlace, type SigframePlace } from "./sigframe_stack.ts";
import { Threads } from "./stop_threads.ts";
import { findSyscallInstruction } from "./syscall_instruction.ts";
import { ThreadFilter } from "./thread_filter.ts";
import { TRACE_SESSION, type TraceSession } from "./trace_session.ts";
import { Deadline, waitOut, type Waits } from "./wait.ts";

export interface SeizeOptions {
  /** How long all threads together may take to stop, and a call of theirs to return. */
  readonly timeoutSeconds: number;
  /** In place of that for the stop, where it has begun before. */
  readonly deadline?: Deadline;
  /**
   * Whether the main thread makes our calls without its seccomp filter: by default unless this program is under one, which
   * may not suspend any. That our calls pass the filter is the caller's affair then.
   */
  readonly suspendsFilter?: boolean;
  /** By default the one of this program. */
  readonly session?: TraceSession;
}

export interface PausedChild {
  readonly error: HeldUpError;
  /** Whether the thread stands still all the same, right before that call, which has not been made. */
  readonly wasReached: boolean;
}

/**
 * All threads of a process in a ptrace-stop, in which each of them is on its way back to user mode
 * inside the kernel's get_signal(): none runs an instruction before it is resumed, and the kernel
 * restarts an interrupted call when it is.
 *
 * A leader that has exited is left to the session's pendingDetach, which is to be called when the process ends.
 *
 * Detaching is owed on every path: `using tracee = Tracee.seize(...)`.
 */
export class Tracee implements Disposable {
  readonly arch: Architecture;
  /** Scopes in which the main thread has registers of ours. */
  remoteScopes = 0;
  /** The scopes among them that have no signal frames. */
  scopesWithoutSigframes = 0;
  /** Set once the main thread has not come back from a call of ours: no other is made then. */
  heldUp: PausedChild | undefined;
  #tids: readonly number[];
  #attached = true;
  #instruction: bigint | undefined;
  #returnsTo: bigint | undefined;
  readonly #running = new Set<number>();
  #sigframePlace: SigframePlace | null | undefined;
  #filter: ThreadFilter | undefined;
  /** Calls that would undo something if this program were killed, and that the main thread's filter forbids. */
  readonly leftUndone = new Set<SyscallName>();

  private constructor(
    readonly session: TraceSession,
    readonly pid: number,
    tids: readonly number[],
    /** Whether the process was found job-stopped, in state T. */
    readonly wasJobStopped: boolean,
    /** How long a thread may take to stop. */
    readonly timeoutSeconds: number,
    readonly suspendsFilter: boolean,
  ) {
    this.#tids = tids;
    this.arch = architectureOfThread(pid, this.mainTid);
  }

  /**
   * Stop every thread with PTRACE_SEIZE and PTRACE_INTERRUPT: no signal is sent, none is lost.
   *
   * Throws SyscallError when the kernel refuses, StopTimeoutError when a thread does not stop in
   * time, TraceeDiedError when the process is gone, RefusedError for an unknown architecture. After
   * a throw no thread is left stopped; one that has not stopped yet is kept for the session's pendingDetach.
   */
  static seize(pid: number, options: SeizeOptions): Tracee {
    (options.session ?? TRACE_SESSION).returnSites.findEarly(pid);
    awaitBlockedCalls([pid]);
    return waitOut(Tracee.ask(pid, options).stopping());
  }

  /**
   * Ask every thread to stop, and do not wait yet: the stops of several processes then overlap. awaitBlockedCalls() comes
   * first. Waiting for what is returned, or calling it off, is owed. Throws SyscallError when the kernel refuses; then it
   * is over already.
   */
  static ask(pid: number, options: SeizeOptions): AskedThreads {
    const { timeoutSeconds, deadline, session = TRACE_SESSION } = options;
    const { suspendsFilter = !session.isFiltered } = options;
    const threads = new Threads(session, pid);
    const limit = deadline ?? new Deadline(timeoutSeconds);
    return new AskedThreads(threads, limit, (stops) => {
      const wasJobStopped = stops.some(({ kind }) => kind === "group-stop");
      const { stopped } = threads;
      return new Tracee(session, pid, [...stopped], wasJobStopped, timeoutSeconds, suspendsFilter);
    });
  }

  get tids(): readonly number[] {
    return this.#tids;
  }

  /**
   * After its threads ran for a while: the threads of `tids` are stopped again, the threads of `running` are not. Stop the
   * threads that were cloned meanwhile, as {@linkcode seize} does.
   */
  *stoppingAgain(
    tids: readonly number[],
    running: readonly number[],
    deadline: Deadline,
  ): Waits<void> {
    const threads = new Threads(this.session, this.pid, tids, running);
    try {
      yield* threads.stop(threads.ask(), deadline);
    } finally {
      this.session.pendingDetach.add(this.pid, threads.running);
      this.#tids = [...threads.stopped];
      // Found for where the main thread stood.
      this.#instruction = this.#sigframePlace = this.#filter = undefined;
    }
    if (threads.isEmpty) throw new TraceeDiedError(this.pid);
  }

  /** The thread that injected calls run on: the leader, unless that one has exited. */
  get mainTid(): number {
    // Not undefined: a tracee without threads is a TraceeDiedError.
    return this.tids.includes(this.pid) ? this.pid : this.tids[0]!;
  }

  /** Where injected calls are made. Throws RefusedError when the memory holds no such place. */
  get syscallInstruction(): bigint {
    this.#instruction ??= findSyscallInstruction(
      this.pid,
      this.mainTid,
      this.arch,
      this.arch.instructionPointer(getRegisters(this.mainTid)),
    );
    return this.#instruction;
  }

  /** Where signal frames can be laid for the main thread, if they can. */
  get sigframePlace(): SigframePlace | undefined {
    if (this.#sigframePlace === undefined) {
      this.#sigframePlace = findSigframePlace(this) ?? null;
    }
    return this.#sigframePlace ?? undefined;
  }

  get #mainFilter(): ThreadFilter {
    const { pid, mainTid, arch, suspendsFilter } = this;
    this.#filter ??= new ThreadFilter(pid, mainTid, arch, suspendsFilter);
    return this.#filter;
  }

  /**
   * What the main thread may call by itself; `undefined` where it is under no filter. Throws SyscallError when it is and
   * the filter cannot be suspended: calls of ours might end the process then.
   */
  get callFilter(): CallFilter | undefined {
    return this.#mainFilter.callFilter;
  }

  /** For a caller that has read already in which mode of seccomp(2) the main thread was stopped. Throws as {@linkcode callFilter}. */
  setSeccompMode(mode: number): void {
    this.#mainFilter.setMode(mode);
  }

  /** Whether the main thread has no signal frames because its filter does not allow rt_sigreturn(2). */
  get isReturnForbidden(): boolean {
    const { callFilter, arch: { syscallNumbers } } = this;
    const call = { number: syscallNumbers.rt_sigreturn, args: [], instructionPointer: 0n };
    return this.sigframePlace === undefined && callFilter !== undefined &&
      callFilter.verdict(call) !== "allowed";
  }

  /** PTRACE_O_* bits that the main thread has just now. */
  get mainOptions(): number {
    return this.#mainFilter.options;
  }

  /** Suspend the filter of the main thread, which is not to make a call of its own meanwhile; or end that. */
  suspendFilter(on: boolean): void {
    this.#mainFilter.suspend(on);
  }

  /** Thread `tid` has been resumed. Until it is noted that it stopped, nothing can be asked of it, nor can it be let go. */
  noteRunning(tid: number): void {
    this.#running.add(tid);
  }

  noteStopped(tid: number): void {
    this.#running.delete(tid);
  }

  isRunning(tid: number): boolean {
    return this.#running.has(tid);
  }

  /**
   * Let all threads go on as they were found: running, in their system calls, or job-stopped; those that do not stop any
   * more as soon as they do. Returns at once when they are let go already.
   */
  detach(): void {
    if (!this.#attached) return;
    this.#attached = false;
    using last = new DisposableStack();
    last.defer(() => this.session.pendingDetach.add(this.pid, [...this.#running], true));
    const { blockedCalls } = this.session;
    if (this.#returnsTo === undefined) {
      releaseThreads(blockedCalls, this.pid, this.#standing(this.tids));
    } else {
      const others = this.#standing(this.tids.filter((tid) => tid !== this.mainTid));
      releaseReturning(blockedCalls, this, others, this.#returnsTo);
    }
  }

  #standing(tids: readonly number[]): number[] {
    return tids.filter((tid) => !this.#running.has(tid));
  }

  /**
   * kill(2): a signal for the process, as long as it is traced. Its number cannot become another's then, for its end is
   * first told to us. The raw result.
   */
  signal(signal: number): number {
    return kill(this.pid, signal);
  }

  /** The main thread will give itself its registers back once it is let go, and `mask`, which tells when it has. */
  expectReturn(mask: bigint): void {
    this.#returnsTo = mask;
  }

  [Symbol.dispose](): void {
    this.detach();
  }
}

function architectureOfThread(pid: number, tid: number): Architecture {
  const registers = getRegisters(tid);
  const arch = architectureOf(registers.length);
  if (arch !== undefined) return arch;
  const why = unsupportedProgram(readWordBytes(pid, tid)) ??
    "it runs in a mode of this processor that is not supported here " +
      `(its register set has ${registers.length} bytes)`;
  throw new RefusedError(`Process ${pid} cannot be traced: ${why}`);
}
