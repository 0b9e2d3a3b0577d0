/** A process whose threads are all stopped, from `Tracee.seize` until `detach`. */
import { type Architecture, architectureOf, unsupportedProgram } from "../arch/mod.ts";
import { type HeldUpError, RefusedError, StopTimeoutError, TraceeDiedError } from "../errors.ts";
import { PTRACE_O_TRACESYSGOOD } from "../ffi/constants.ts";
import { kill, usleep } from "../ffi/process.ts";
import { readWordBytes } from "../proc/auxv.ts";
import { readFrozen } from "../proc/freezer.ts";
import { readStatus } from "../proc/status.ts";
import { awaitBlockedCalls } from "./blocked_calls.ts";
import { getRegisters } from "./ptrace.ts";
import { awaitStrays, leaveAsStrays, releaseThreads, restartAll } from "./release.ts";
import { findReturnSitesEarly } from "./return_sites.ts";
import { findNetPlace, type NetPlace } from "./safety_net.ts";
import { findSyscallInstruction } from "./syscall_instruction.ts";
import { Threads } from "./stop_threads.ts";
import { Deadline, waitOut, type Waits } from "./wait.ts";
import type { WaitStatus } from "./wait_status.ts";

/** A dozen system calls take microseconds; a machine may stand still. */
const RETURN_SECONDS = 0.5;
const RETURN_PAUSE_US = 50;

export interface SeizeOptions {
  /** How long all threads together may take to stop, and a call of theirs to return. */
  readonly timeoutSeconds: number;
  /** In place of that for the stop, where it has begun before. */
  readonly deadline?: Deadline;
  /** Further PTRACE_O_* bits, such as PTRACE_O_SUSPEND_SECCOMP. */
  readonly options?: number;
}

export interface HeldUp {
  readonly error: HeldUpError;
  /** Whether the thread stands still all the same, right before that call, which has not been made. */
  readonly wasReached: boolean;
}

/**
 * All threads of a process in a ptrace-stop, in which each of them is on its way back to user mode
 * inside the kernel's get_signal(): none runs an instruction before it is resumed, and the kernel
 * restarts an interrupted call when it is.
 *
 * A leader that has exited is left to releaseStrays(), which is to be called when the process ends.
 *
 * Detaching is owed on every path: `using tracee = Tracee.seize(...)`.
 */
export class Tracee implements Disposable {
  readonly arch: Architecture;
  /** Scopes in which the main thread has registers that are not its own. */
  loans = 0;
  /** Of them, those that have no safety net. */
  bareLoans = 0;
  /** Set once the main thread has not come back from a call of ours: no other is made then. */
  heldUp: HeldUp | undefined;
  #tids: readonly number[];
  #attached = true;
  #instruction: bigint | undefined;
  #returnsTo: bigint | undefined;
  readonly #running = new Set<number>();
  #netPlace: NetPlace | null | undefined;

  private constructor(
    readonly pid: number,
    readonly options: number,
    tids: readonly number[],
    /** Whether the process was found job-stopped, in state T. */
    readonly foundStopped: boolean,
    /** How long a thread may take to stop. */
    readonly timeoutSeconds: number,
  ) {
    this.#tids = tids;
    this.arch = architectureOfThread(pid, this.mainTid);
  }

  /**
   * Stop every thread with PTRACE_SEIZE and PTRACE_INTERRUPT: no signal is sent, none is lost.
   *
   * Throws SyscallError when the kernel refuses, StopTimeoutError when a thread does not stop in
   * time, TraceeDiedError when the process is gone, RefusedError for an unknown architecture. After
   * a throw no thread is left stopped; one that has not stopped yet is kept for releaseStrays().
   */
  static seize(pid: number, options: SeizeOptions): Tracee {
    findReturnSitesEarly(pid);
    awaitBlockedCalls([pid]);
    return waitOut(Tracee.ask(pid, options).stopping());
  }

  /**
   * Ask every thread to stop, and do not wait yet: the stops of several processes then overlap. awaitBlockedCalls() comes
   * first. Waiting for what is returned, or calling it off, is owed. Throws SyscallError when the kernel refuses; then it
   * is over already.
   */
  static ask(pid: number, { timeoutSeconds, deadline, options = 0 }: SeizeOptions): AskedThreads {
    const traceOptions = PTRACE_O_TRACESYSGOOD | options;
    const threads = new Threads(pid, traceOptions);
    const limit = deadline ?? new Deadline(timeoutSeconds);
    return new AskedThreads(threads, limit, (stops) => {
      const foundStopped = stops.some(({ kind }) => kind === "group-stop");
      return new Tracee(pid, traceOptions, [...threads.stopped], foundStopped, timeoutSeconds);
    });
  }

  get tids(): readonly number[] {
    return this.#tids;
  }

  /**
   * After its threads ran for a while: those of `tids` stand still again, those of `strays` do not. Stop the ones that
   * were born meanwhile, as {@linkcode seize} does.
   */
  *stoppingAgain(
    tids: readonly number[],
    strays: readonly number[],
    deadline: Deadline,
  ): Waits<void> {
    const threads = new Threads(this.pid, this.options, tids, strays);
    try {
      yield* threads.stop(threads.ask(), deadline);
    } finally {
      leaveAsStrays(this.pid, threads.running);
      this.#tids = [...threads.stopped];
      // Found for where the main thread stood.
      this.#instruction = this.#netPlace = undefined;
    }
    if (threads.isEmpty) throw new TraceeDiedError(this.pid);
  }

  /** The thread that injected calls run on: the leader, unless that one has exited. */
  get mainTid(): number {
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

  /** Where a safety net can be spread for the main thread, if it can. */
  get netPlace(): NetPlace | undefined {
    if (this.#netPlace === undefined) {
      this.#netPlace = findNetPlace(this.pid, this.mainTid, this.arch) ?? null;
    }
    return this.#netPlace ?? undefined;
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
    last.defer(() => leaveAsStrays(this.pid, [...this.#running], true));
    if (this.#returnsTo === undefined) releaseThreads(this.pid, this.#standing(this.tids));
    else this.#detachReturning(this.#returnsTo);
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

  /** The other threads only once that is done: what is undone on the way is not for them to see. */
  #detachReturning(mask: bigint): void {
    using rest = new DisposableStack();
    const others = this.tids.filter((tid) => tid !== this.mainTid);
    rest.defer(() => releaseThreads(this.pid, this.#standing(others)));
    releaseThreads(this.pid, [this.mainTid]);
    if (readFrozen(this.pid, this.mainTid) !== undefined) return;
    const deadline = new Deadline(RETURN_SECONDS);
    while (!deadline.passed) {
      if ((readStatus(this.pid, this.mainTid)?.sigBlocked ?? mask) === mask) return;
      usleep(RETURN_PAUSE_US);
    }
  }

  [Symbol.dispose](): void {
    this.detach();
  }
}

/** Threads that have been asked to stop. */
export class AskedThreads {
  readonly #threads: Threads;
  readonly #deadline: Deadline;
  readonly #make: (stops: readonly WaitStatus[]) => Tracee;
  readonly #first: readonly number[];
  #isOver = false;

  constructor(
    threads: Threads,
    deadline: Deadline,
    make: (stops: readonly WaitStatus[]) => Tracee,
  ) {
    this.#threads = threads;
    this.#deadline = deadline;
    this.#make = make;
    try {
      this.#first = threads.ask(true);
    } catch (error) {
      this.#letGo(error);
      throw error;
    }
  }

  /** Wait for the stops. Throws as {@linkcode Tracee.seize} does; then it is over. */
  *stopping(): Waits<Tracee> {
    const { pid, stopped } = this.#threads;
    try {
      const stops = yield* this.#threads.stop(this.#first, this.#deadline);
      leaveAsStrays(pid, this.#threads.running);
      if (stopped.size === 0) throw new TraceeDiedError(pid);
      const tracee = this.#make(stops);
      this.#isOver = true;
      return tracee;
    } catch (error) {
      this.#letGo(error);
      throw error;
    }
  }

  /** Do not wait any more, for `error`: let go of all. Nothing is left to do once {@linkcode stopping} is over. */
  callOff(error: unknown): void {
    this.#letGo(error);
  }

  #letGo(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { pid, stopped, running } = this.#threads;
    leaveAsStrays(pid, running);
    restartAll([...stopped]);
    releaseThreads(pid, [...stopped]);
    if (!(error instanceof StopTimeoutError)) awaitStrays();
  }
}

function architectureOfThread(pid: number, tid: number): Architecture {
  const registers = getRegisters(tid);
  const arch = architectureOf(registers.length);
  if (arch !== undefined) return arch;
  const why = unsupportedProgram(readWordBytes(pid, tid)) ??
    "it runs in a mode of this processor that is not supported here " +
      `(its register set has ${registers.length} bytes)`;
  throw new RefusedError(`Cannot move process ${pid}: ${why}`);
}
