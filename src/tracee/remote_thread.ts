/** A thread that makes calls of ours: run from stop to stop. */
import { HeldUpError, StopTimeoutError, SyscallError, TraceeDiedError } from "../errors.ts";
import { PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SYSCALL_INFO_EXIT } from "../ffi/constants.ts";
import { usleep } from "../ffi/process.ts";
import { getEventMessage, getSyscallInfo, interrupt, resume } from "./ptrace.ts";
import { retrySyscall } from "./retry_syscall.ts";
import type { Steps } from "./steps.ts";
import type { TraceSession } from "./trace_session.ts";
import type { Tracee } from "./tracee.ts";
import { Deadline, nextStatus, ScopeDeadline, untilInterrupted, waitOut } from "./wait.ts";
import type { WaitStatus } from "./wait_status.ts";

/** A thread that is frozen in its cgroup, version 2, stops for an interrupt all the same, and at once. */
const REACH_SECONDS = 0.1;

export class RemoteThread {
  readonly #tracee: Tracee;
  readonly #hasSigframes: boolean;
  #eventMessage = 0;
  #mayBeInside = false;
  #failure: unknown;

  /** `hasSigframes`: whether the thread can bring itself back: see `sigframe_stack.ts`. */
  constructor(tracee: Tracee, readonly tid: number, hasSigframes: boolean) {
    this.#tracee = tracee;
    this.#hasSigframes = hasSigframes;
  }

  get pid(): number {
    return this.#tracee.pid;
  }

  get session(): TraceSession {
    return this.#tracee.session;
  }

  /** What the last PTRACE_EVENT told. */
  get eventMessage(): number {
    return this.#eventMessage;
  }

  /** Whether a call has not been seen to end: a failure of ours may have left it between its entry and its exit. */
  get mayBeInside(): boolean {
    return this.#mayBeInside;
  }

  /** Why only the thread itself can still undo what has been done: see {@linkcode request}. */
  get failure(): unknown {
    return this.#failure ?? (this.#hasSigframes ? this.#tracee.heldUp?.error : undefined);
  }

  /**
   * After a request that fails for good it is unknown whether a call has been made. Undoing things step by step might do
   * harm then. The signal frames of the thread undo what it has really done. So no call is made any more from then on.
   */
  request<T>(action: () => T): T {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#tracee.heldUp !== undefined) throw this.#tracee.heldUp.error;
    try {
      return retrySyscall(action);
    } catch (error) {
      if (this.#hasSigframes && error instanceof SyscallError) this.#failure = error;
      throw error;
    }
  }

  /**
   * From when a thread is let run, and not from when it is waited for: those that others have let run meanwhile run at the
   * same time.
   */
  get deadline(): ScopeDeadline {
    return new ScopeDeadline(this.#tracee.timeoutSeconds);
  }

  /** Run to the next stop of any kind but the end. `go` lets it run. */
  *resume(signal: number, deadline = this.deadline, go?: () => void): Steps<WaitStatus> {
    this.#mayBeInside = true;
    this.request(go ?? (() => resume(this.tid, PTRACE_SYSCALL, signal)));
    this.#tracee.noteRunning(this.tid);
    // It is in danger until it has run: the wait must not keep the processor from it.
    if (go !== undefined) usleep(1);
    yield;
    const status = this.#statusBefore(deadline);
    if (status.kind === "exited" || status.kind === "signaled") throw new TraceeDiedError(this.pid);
    return status;
  }

  /**
   * Nothing is asked of a thread that does not come to its stop: it runs, or will when it is thawed. Interrupted it may
   * stand still once more, and then in front of its call: the kernel looks for both in get_signal(), on the way to user
   * mode.
   */
  #statusBefore(deadline: ScopeDeadline): WaitStatus {
    try {
      return this.#noted(waitOut(nextStatus(this.pid, this.tid, deadline)));
    } catch (error) {
      if (!(error instanceof HeldUpError)) throw error;
      const status = this.#reach();
      if (status !== undefined && status.kind !== "interrupt-stop") return status;
      this.#tracee.heldUp = { error, wasReached: status !== undefined };
      throw error;
    }
  }

  #reach(): WaitStatus | undefined {
    try {
      retrySyscall(() => interrupt(this.tid));
      return this.#noted(
        waitOut(nextStatus(this.pid, this.tid, new Deadline(REACH_SECONDS))),
      );
    } catch (error) {
      if (error instanceof StopTimeoutError || error instanceof SyscallError) return undefined;
      throw error;
    }
  }

  #noted(status: WaitStatus): WaitStatus {
    this.#tracee.noteStopped(this.tid);
    return status;
  }

  /**
   * Run to the next syscall-stop. On the way there may be group-stops and left-over interrupts, and SIGSTOP, which
   * alone comes through a full mask. It starts a group-stop; that does not keep a traced thread from being resumed, and
   * is in force once the thread is let go. `go` lets it run at first.
   */
  *runToSyscallStop(go?: () => void): Steps<void> {
    const { deadline } = this;
    let first = go;
    for (let signal = 0;;) {
      const status = yield* this.resume(signal, deadline, first);
      first = undefined;
      if (status.kind === "syscall-stop") return;
      if (status.kind === "event-stop") {
        this.#eventMessage = this.request(() => getEventMessage(this.tid));
      }
      signal = status.kind === "signal-delivery-stop" ? status.signal : 0;
    }
  }

  /** Run to the next syscall-stop, which must be one of kind `op`; the result of the call at its exit. */
  *expectSyscallStop(op: number, go?: () => void): Steps<bigint> {
    yield* this.runToSyscallStop(go);
    const info = this.syscallInfo();
    if (info.op === PTRACE_SYSCALL_INFO_EXIT) this.#mayBeInside = false;
    this.expectOp(op, info.op);
    return info.result;
  }

  /** The kind of the syscall-stop, the number at an entry and the result at an exit. */
  syscallInfo(): { op: number; result: bigint } {
    return this.request(() => getSyscallInfo(this.tid));
  }

  expectOp(expected: number, op: number): void {
    if (op === expected) return;
    throw new Error(`Expected syscall-stop ${expected} of thread ${this.tid}, got ${op}`);
  }

  /**
   * Out of a syscall-stop into an interrupt-stop, on the way back to user mode: there alone the kernel looks at what
   * becomes of a call that was interrupted. From an entry-stop the call is made, and interrupted. What fails here does
   * not keep the registers from being given back: it is no {@linkcode request}. A thread without signal frames is waited
   * for longer, as it would be lost.
   */
  *stopOnTheWayBack(): Steps<void> {
    if (this.#tracee.heldUp?.wasReached) return;
    retrySyscall(() => interrupt(this.tid));
    if (!this.#tracee.isRunning(this.tid)) retrySyscall(() => resume(this.tid, PTRACE_CONT));
    this.#tracee.noteRunning(this.tid);
    const deadline = this.#hasSigframes ? this.deadline : ScopeDeadline.longest();
    yield;
    try {
      const status = waitOut(untilInterrupted(this.pid, this.tid, deadline));
      if (status === undefined) throw new TraceeDiedError(this.pid);
      this.#noted(status);
    } catch (error) {
      if (error instanceof HeldUpError) {
        error.comesBack = this.#hasSigframes;
        this.#tracee.heldUp ??= { error, wasReached: false };
      }
      throw error;
    }
  }
}
