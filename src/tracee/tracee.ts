/** A process whose threads are all stopped, from `Tracee.seize` until `detach`. */
import { type Architecture, architectureOf } from "../arch/mod.ts";
import { RefusedError, SyscallError, TraceeDiedError } from "../errors.ts";
import { PTRACE_O_TRACESYSGOOD } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { listTids } from "../proc/tasks.ts";
import { noteBlockedCall } from "./blocked_calls.ts";
import { getRegisters, interrupt, seize } from "./ptrace.ts";
import { leaveAsStrays, releaseThreads } from "./release.ts";
import { findSyscallInstruction } from "./syscall_instruction.ts";
import { Deadline, hasExited, waitUntilInterrupted } from "./wait.ts";
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
 * A leader that has exited is left to releaseStrays(), which is to be called when the process ends.
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
   * a throw no thread is left stopped; one that has not stopped yet is kept for releaseStrays().
   */
  static seize(pid: number, { timeoutSeconds, options = 0 }: SeizeOptions): Tracee {
    const traceOptions = PTRACE_O_TRACESYSGOOD | options;
    const deadline = new Deadline(timeoutSeconds);
    const asked = new Set<number>();
    const stopped = new Map<number, WaitStatus>();
    const leaveOthers = () => leaveAsStrays(pid, [...asked].filter((tid) => !stopped.has(tid)));
    try {
      stopAllThreads(pid, traceOptions, deadline, asked, stopped);
      leaveOthers();
      if (stopped.size === 0) throw new TraceeDiedError(pid);
      const foundStopped = [...stopped.values()].some(({ kind }) => kind === "group-stop");
      return new Tracee(pid, traceOptions, [...stopped.keys()], foundStopped);
    } catch (error) {
      leaveOthers();
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
 * New threads may be born while the others are being stopped: go on until a pass finds none. `asked` are those that
 * we are the tracer of, `stopped` those among them that did stop.
 */
function stopAllThreads(
  pid: number,
  options: number,
  deadline: Deadline,
  asked: Set<number>,
  stopped: Map<number, WaitStatus>,
): void {
  const seen = new Set<number>();
  for (let found = true; found;) {
    const fresh = (listTids(pid) ?? []).filter((tid) => !seen.has(tid));
    found = fresh.length > 0;
    // All are asked before the first is waited for: their stops then overlap.
    for (const tid of fresh) {
      seen.add(tid);
      if (askToStop(pid, tid, options)) asked.add(tid);
    }
    for (const tid of fresh.filter((tid) => asked.has(tid))) {
      const status = waitUntilInterrupted(pid, tid, deadline);
      if (status !== undefined) stopped.set(tid, status);
    }
  }
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
  throw new RefusedError(
    `Cannot move process ${pid}: it runs in a mode of this processor that is not supported here ` +
      `(its register set has ${registers.length} bytes)`,
  );
}
