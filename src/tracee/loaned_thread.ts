/** A thread that makes calls of ours: run from stop to stop. */
import { SyscallError, TraceeDiedError } from "../errors.ts";
import { PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SYSCALL_INFO_EXIT } from "../ffi/constants.ts";
import { insist } from "./insist.ts";
import { getEventMessage, getSyscallInfo, interrupt, resume } from "./ptrace.ts";
import type { Steps } from "./steps.ts";
import { statusBefore, waitUntilInterrupted } from "./wait.ts";
import type { WaitStatus } from "./wait_status.ts";

export class LoanedThread {
  readonly #hasNet: boolean;
  #eventMessage = 0;
  #mayBeInside = false;
  #failure: unknown;

  /** `hasNet`: whether the thread can bring itself back: see `safety_net.ts`. */
  constructor(readonly pid: number, readonly tid: number, hasNet: boolean) {
    this.#hasNet = hasNet;
  }

  /** What the last PTRACE_EVENT told. */
  get eventMessage(): number {
    return this.#eventMessage;
  }

  /** Whether a call has not been seen to end: a failure of ours may have left it between its entry and its exit. */
  get mayBeInside(): boolean {
    return this.#mayBeInside;
  }

  /** Why nobody but the thread itself can undo any more what has been done: see {@linkcode request}. */
  get failure(): unknown {
    return this.#failure;
  }

  /**
   * A request that fails for good leaves it open whether a call has been made. To undo that step by step might then do
   * harm; the thread itself, with its safety net, does know. So from then on no call is made any more.
   */
  request<T>(action: () => T): T {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return insist(action);
    } catch (error) {
      if (this.#hasNet && error instanceof SyscallError) this.#failure = error;
      throw error;
    }
  }

  /** Run to the next stop of any kind but the end. */
  *resume(signal: number): Steps<WaitStatus> {
    this.#mayBeInside = true;
    this.request(() => resume(this.tid, PTRACE_SYSCALL, signal));
    yield;
    const status = statusBefore(this.pid, this.tid);
    if (status.kind === "exited" || status.kind === "signaled") throw new TraceeDiedError(this.pid);
    return status;
  }

  /**
   * Run to the next syscall-stop. On the way there may be group-stops and left-over interrupts, and SIGSTOP, which
   * alone comes through a full mask. It starts a group-stop; that does not keep a traced thread from being resumed, and
   * is in force once the thread is let go.
   */
  *runToSyscallStop(): Steps<void> {
    for (let signal = 0;;) {
      const status = yield* this.resume(signal);
      if (status.kind === "syscall-stop") return;
      if (status.kind === "event-stop") {
        this.#eventMessage = this.request(() => getEventMessage(this.tid));
      }
      signal = status.kind === "signal-delivery-stop" ? status.signal : 0;
    }
  }

  /** Run to the next syscall-stop, which must be one of kind `op`; the result of the call at its exit. */
  *expectSyscallStop(op: number): Steps<bigint> {
    yield* this.runToSyscallStop();
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
   * not keep the registers from being given back: it is no {@linkcode request}.
   */
  *stopOnTheWayBack(): Steps<void> {
    insist(() => interrupt(this.tid));
    insist(() => resume(this.tid, PTRACE_CONT));
    yield;
    if (waitUntilInterrupted(this.pid, this.tid) === undefined) throw new TraceeDiedError(this.pid);
  }
}
