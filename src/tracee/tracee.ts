/** A process whose threads are all stopped, from `Tracee.seize` until `detach`. */
import { type Architecture, architectureOf, unsupportedProgram } from "../arch/mod.ts";
import {
  type HeldUpError,
  RefusedError,
  StopTimeoutError,
  SyscallError,
  TraceeDiedError,
} from "../errors.ts";
import { PTRACE_O_TRACESYSGOOD } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { kill, usleep } from "../ffi/process.ts";
import { readWordBytes } from "../proc/auxv.ts";
import { readFrozen } from "../proc/freezer.ts";
import { readStatus } from "../proc/status.ts";
import { listTids } from "../proc/tasks.ts";
import { awaitBlockedCalls, awaitBlockedCallsOf, noteBlockedCall } from "./blocked_calls.ts";
import { getRegisters, interrupt, seize } from "./ptrace.ts";
import { awaitStrays, leaveAsStrays, releaseThreads, restart, restartAll } from "./release.ts";
import { findReturnSitesEarly } from "./return_sites.ts";
import { findNetPlace, type NetPlace } from "./safety_net.ts";
import { findSyscallInstruction } from "./syscall_instruction.ts";
import { Deadline, hasExited, waitUntilInterrupted } from "./wait.ts";
import type { WaitStatus } from "./wait_status.ts";

/** A dozen system calls take microseconds; a machine may stand still. */
const RETURN_SECONDS = 0.5;
const RETURN_PAUSE_US = 50;

export interface SeizeOptions {
  /** How long all threads together may take to stop. */
  readonly timeoutSeconds: number;
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
    return Tracee.ask(pid, options)();
  }

  /**
   * Ask every thread to stop, and do not wait yet: the stops of several processes then overlap. awaitBlockedCalls() comes
   * first. To be waited for by what is returned, which throws as {@linkcode seize} does, is owed. Throws SyscallError when
   * the kernel refuses; then it is over already.
   */
  static ask(pid: number, { timeoutSeconds, options = 0 }: SeizeOptions): () => Tracee {
    const traceOptions = PTRACE_O_TRACESYSGOOD | options;
    const deadline = new Deadline(timeoutSeconds);
    const asked = new Set<number>();
    const stopped = new Set<number>();
    const seen = new Set<number>();
    const leaveOthers = () => leaveAsStrays(pid, [...asked].filter((tid) => !stopped.has(tid)));
    const orLetGo = <T>(action: () => T): T => {
      try {
        return action();
      } catch (error) {
        leaveOthers();
        restartAll([...stopped]);
        releaseThreads(pid, [...stopped]);
        if (!(error instanceof StopTimeoutError)) awaitStrays();
        throw error;
      }
    };
    const first = orLetGo(() =>
      askThreads(pid, listTids(pid) ?? [], traceOptions, { seen, asked })
    );
    return () =>
      orLetGo(() => {
        const found = stopAllThreads(pid, traceOptions, deadline, { seen, asked, stopped }, first);
        leaveOthers();
        if (stopped.size === 0) throw new TraceeDiedError(pid);
        const foundStopped = found.some(({ kind }) => kind === "group-stop");
        return new Tracee(pid, traceOptions, [...stopped], foundStopped, timeoutSeconds);
      });
  }

  get tids(): readonly number[] {
    return this.#tids;
  }

  /**
   * After its threads ran for a while: those of `tids` stand still again, those of `strays` do not. Stop the ones that
   * were born meanwhile, as {@linkcode seize} does.
   */
  stopAgain(tids: readonly number[], strays: readonly number[], timeoutSeconds: number): void {
    const asked = new Set([...tids, ...strays]);
    const seen = new Set(asked);
    const stopped = new Set(tids);
    try {
      const first = askFreshThreads(this.pid, this.options, { seen, asked });
      const deadline = new Deadline(timeoutSeconds);
      stopAllThreads(this.pid, this.options, deadline, { seen, asked, stopped }, first);
    } finally {
      leaveAsStrays(this.pid, [...asked].filter((tid) => !stopped.has(tid)));
      this.#tids = [...stopped];
      // Found for where the main thread stood.
      this.#instruction = this.#netPlace = undefined;
    }
    if (asked.size === 0) throw new TraceeDiedError(this.pid);
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

/** Threads of a process: which have been looked at, which are ours to trace, which of these have stopped. */
interface Threads {
  readonly seen: Set<number>;
  readonly asked: Set<number>;
  readonly stopped: Set<number>;
}

/** Ask those that have not been seen yet to stop; they are returned. */
function askFreshThreads(
  pid: number,
  options: number,
  threads: Omit<Threads, "stopped">,
): readonly number[] {
  const fresh = (listTids(pid) ?? []).filter((tid) => !threads.seen.has(tid));
  awaitBlockedCallsOf(pid, fresh);
  return askThreads(pid, fresh, options, threads);
}

/** Ask `tids` to stop; they are returned. All are asked before the first is waited for. */
function askThreads(
  pid: number,
  tids: readonly number[],
  options: number,
  { seen, asked }: Omit<Threads, "stopped">,
): readonly number[] {
  for (const tid of tids) {
    seen.add(tid);
    if (askToStop(pid, tid, options)) asked.add(tid);
  }
  return tids;
}

/**
 * Wait for the threads of `first`, which have been asked. New ones may be born while the others are being stopped: go
 * on until a pass finds none. What they were stopped in is returned.
 */
function stopAllThreads(
  pid: number,
  options: number,
  deadline: Deadline,
  threads: Threads,
  first: readonly number[],
): WaitStatus[] {
  const stops: WaitStatus[] = [];
  for (let fresh = first; fresh.length > 0; fresh = askFreshThreads(pid, options, threads)) {
    for (const tid of fresh.filter((tid) => threads.asked.has(tid))) {
      const status = waitUntilInterrupted(pid, tid, deadline);
      if (status === undefined) continue;
      threads.stopped.add(tid);
      stops.push(status);
      restart(tid);
    }
  }
  return stops;
}

/** Whether the thread was there to be asked. */
function askToStop(pid: number, tid: number, options: number): boolean {
  try {
    seize(tid, options);
  } catch (error) {
    if (error instanceof TraceeDiedError) return false;
    // A thread that has exited but is not yet reaped, such as a dead leader, answers EPERM.
    if (error instanceof SyscallError && error.errno === ERRNO.EPERM && hasExited(pid, tid)) {
      return false;
    }
    throw error;
  }
  try {
    noteBlockedCall(pid, tid);
    interrupt(tid);
  } catch (error) {
    // It ended in between, but we are its tracer now, and it is ours to wait for.
    if (!(error instanceof TraceeDiedError)) throw error;
  }
  return true;
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
