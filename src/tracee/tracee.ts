/** A process whose threads are all stopped, from `Tracee.seize` until `detach`. */
import { type Architecture, architectureOf } from "../arch/mod.ts";
import { RefusedError, StopTimeoutError, SyscallError, TraceeDiedError } from "../errors.ts";
import { PTRACE_CONT, PTRACE_O_TRACESYSGOOD } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { readStat } from "../proc/stat.ts";
import { listTids, readWchan } from "../proc/tasks.ts";
import { detach, getRegisters, interrupt, resume, seize, setRegisters } from "./ptrace.ts";
import { findSyscallInstruction } from "./syscall_instruction.ts";
import { Deadline, waitForStatus } from "./wait.ts";
import type { WaitStatus } from "./wait_status.ts";

export interface SeizeOptions {
  /** How long all threads together may take to stop. */
  readonly timeoutSeconds: number;
  /** Further PTRACE_O_* bits, such as PTRACE_O_SUSPEND_SECCOMP. */
  readonly options?: number;
}

/**
 * All threads of a process in a ptrace-stop, in which each of them is on its way back to user mode
 * inside the kernel's get_signal(): none runs an instruction before it is resumed, and the kernel
 * restarts an interrupted call when it is.
 *
 * Detaching is owed on every path: `using tracee = Tracee.seize(...)`.
 */
export class Tracee implements Disposable {
  readonly arch: Architecture;
  #attached = true;
  #instruction: bigint | undefined;

  private constructor(
    readonly pid: number,
    readonly options: number,
    readonly tids: readonly number[],
    /** Whether the process was found job-stopped, in state T. */
    readonly foundStopped: boolean,
  ) {
    this.arch = architectureOfThread(pid, this.mainTid);
  }

  /**
   * Stop every thread with PTRACE_SEIZE and PTRACE_INTERRUPT: no signal is sent, none is lost.
   *
   * Throws SyscallError when the kernel refuses, StopTimeoutError when a thread does not stop in
   * time, TraceeDiedError when the process is gone, RefusedError for an unknown architecture. After
   * a throw no thread is left stopped; one that never stopped is let go when this program ends.
   */
  static seize(pid: number, { timeoutSeconds, options = 0 }: SeizeOptions): Tracee {
    const traceOptions = PTRACE_O_TRACESYSGOOD | options;
    const deadline = new Deadline(timeoutSeconds);
    const stopped = new Map<number, WaitStatus>();
    try {
      stopAllThreads(pid, traceOptions, deadline, stopped);
      if (stopped.size === 0) throw new TraceeDiedError(pid);
      const foundStopped = [...stopped.values()].some(({ kind }) => kind === "group-stop");
      return new Tracee(pid, traceOptions, [...stopped.keys()], foundStopped);
    } catch (error) {
      releaseThreads(pid, [...stopped.keys()]);
      throw error;
    }
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

  /**
   * Let all threads go on as they were found: running, in their system calls, or job-stopped.
   * Returns at once when they are let go already.
   */
  detach(): void {
    if (!this.#attached) return;
    this.#attached = false;
    releaseThreads(this.pid, this.tids);
  }

  [Symbol.dispose](): void {
    this.detach();
  }
}

/**
 * To give up on a thread that has our registers is to lose it, so the user's own limit, which is about
 * stopping, does not apply then. This one is for machines that stand still themselves.
 */
const ON_LOAN_SECONDS = 60;

/** New threads may be born while the others are being stopped: go on until a pass finds none. */
function stopAllThreads(
  pid: number,
  options: number,
  deadline: Deadline,
  stopped: Map<number, WaitStatus>,
): void {
  const seen = new Set<number>();
  for (let found = true; found;) {
    const fresh = (listTids(pid) ?? []).filter((tid) => !seen.has(tid));
    found = fresh.length > 0;
    // All are asked before the first is waited for: their stops then overlap.
    const asked = fresh.filter((tid) => askToStop(pid, tid, options));
    for (const tid of fresh) seen.add(tid);
    for (const tid of asked) {
      const status = waitUntilInterrupted(pid, tid, deadline);
      if (status !== undefined) stopped.set(tid, status);
    }
  }
}

/** Whether the thread was there to be asked. */
function askToStop(pid: number, tid: number, options: number): boolean {
  try {
    seize(tid, options);
    interrupt(tid);
    return true;
  } catch (error) {
    if (error instanceof TraceeDiedError) return false;
    // A thread that has exited but is not yet reaped, such as a dead leader, answers EPERM.
    if (error instanceof SyscallError && error.errno === ERRNO.EPERM && hasExited(pid, tid)) {
      return false;
    }
    throw error;
  }
}

function hasExited(pid: number, tid: number): boolean {
  const state = readStat(pid, tid)?.state;
  return state === undefined || state === "Z" || state === "X";
}

/**
 * Run the thread into the stop that PTRACE_INTERRUPT asked for; `undefined` when it exited instead.
 * Signals that were on their way before are delivered: the pending interrupt stops the thread again
 * before the first instruction of a handler.
 */
export function waitUntilInterrupted(
  pid: number,
  tid: number,
  deadline?: Deadline,
): WaitStatus | undefined {
  for (;;) {
    const status = statusBefore(pid, tid, deadline);
    switch (status.kind) {
      case "interrupt-stop":
      case "group-stop":
        return status;
      case "exited":
      case "signaled":
        return undefined;
      case "signal-delivery-stop":
        resume(tid, PTRACE_CONT, status.signal);
        break;
      case "syscall-stop":
      case "event-stop":
        resume(tid, PTRACE_CONT);
        break;
    }
  }
}

/**
 * The thread's next status. Throws StopTimeoutError, with what the thread is waiting for. Without a deadline
 * of the caller's it is one for threads on loan, which stop within microseconds on any machine that runs.
 */
export function statusBefore(
  pid: number,
  tid: number,
  deadline = new Deadline(ON_LOAN_SECONDS),
): WaitStatus {
  const status = waitForStatus(tid, deadline);
  if (status !== undefined) return status;
  const state = readStat(pid, tid)?.state ?? "?";
  throw new StopTimeoutError(pid, tid, deadline.seconds, state, readWchan(pid, tid));
}

/**
 * Let threads go. One that is dead by now, since SIGKILL came or a thread let go before ended the
 * process, stays a zombie until its tracer waits for it; and as long as one thread does, the process
 * has not ended for anybody, its parent included.
 */
function releaseThreads(pid: number, tids: readonly number[]): void {
  const dead = tids.filter((tid) => !releaseThread(tid));
  // The kernel reports a leader's end only when all other threads have been waited for.
  for (const tid of dead) if (tid !== pid) reapThread(tid);
  if (dead.includes(pid)) reapThread(pid);
}

/** Put right a call that the stop made return EINTR, then let the thread go; whether it lives. */
function releaseThread(tid: number): boolean {
  try {
    const registers = getRegisters(tid);
    const restarted = architectureOf(registers.length)?.withRestart(registers) ?? registers;
    if (restarted !== registers) setRegisters(tid, restarted);
    detach(tid);
    return true;
  } catch (error) {
    if (error instanceof TraceeDiedError) return false;
    throw error;
  }
}

/** SIGKILL takes effect at once, but on another processor. */
const REAP_SECONDS = 1;

function reapThread(tid: number): void {
  const deadline = new Deadline(REAP_SECONDS);
  try {
    for (;;) {
      const status = waitForStatus(tid, deadline);
      if (status === undefined || status.kind === "exited" || status.kind === "signaled") return;
    }
  } catch (error) {
    // Waited for already, when its end was noticed.
    if (!(error instanceof TraceeDiedError)) throw error;
  }
}

function architectureOfThread(pid: number, tid: number): Architecture {
  const registers = getRegisters(tid);
  const arch = architectureOf(registers.length);
  if (arch !== undefined) return arch;
  throw new RefusedError(
    `Cannot move process ${pid}: it runs in a mode of this processor that is not supported here ` +
      `(its register set has ${registers.length} bytes)`,
    ["32-bit programs are not supported by this version"],
  );
}
