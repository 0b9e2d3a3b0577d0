/**
 * Threads that were stopped in a call which they will make again, on processors with `earlyRestart` in `arch/`: the kernel
 * shows the number of that call only when the thread enters it.
 */
import type { Architecture, Registers } from "../arch/mod.ts";
import { PTRACE_SYSCALL_INFO_ENTRY, PTRACE_SYSCALL_INFO_EXIT } from "../ffi/constants.ts";
import {
  ALL_SIGNALS,
  enterInstead,
  getRegisters,
  getSyscallInfo,
  replaceSyscall,
  setSignalMask,
} from "./ptrace.ts";
import { readMemoryUpTo } from "./remote_memory.ts";
import type { RemoteThread } from "./remote_thread.ts";
import { retrySyscall } from "./retry_syscall.ts";
import type { SigframeStack } from "./sigframe_stack.ts";
import { runToCompletion } from "./steps.ts";

export class InterruptedSyscall {
  readonly #thread: RemoteThread;
  readonly #arch: Architecture;
  readonly #mask: bigint;

  private constructor(thread: RemoteThread, arch: Architecture, mask: bigint) {
    this.#thread = thread;
    this.#arch = arch;
    this.#mask = mask;
  }

  /** Of a thread with `registers` and the signal mask `mask`; `undefined` when it is at no such call. */
  static find(
    thread: RemoteThread,
    arch: Architecture,
    registers: Registers,
    mask: bigint,
  ): InterruptedSyscall | undefined {
    if (arch.earlyRestart === undefined) return undefined;
    const { syscallInstruction } = arch;
    const at = arch.instructionPointer(registers);
    const next = readMemoryUpTo(thread.tid, at, syscallInstruction.length);
    const isParked = syscallInstruction.every((byte, index) => next[index] === byte);
    return isParked ? new InterruptedSyscall(thread, arch, mask) : undefined;
  }

  /**
   * Let the thread enter its call, and make `getpid`, which has no effect, in its place. The number of the call belongs to
   * the registers that are restored in the end.
   */
  learnNumber(getpid: Registers, sigframes: SigframeStack | undefined): bigint {
    const number = this.#runToEntry();
    runToCompletion(
      this.#thread.expectSyscallStop(PTRACE_SYSCALL_INFO_EXIT, this.#instead(getpid, sigframes)),
    );
    return number;
  }

  /**
   * Only the kernel can decide what a signal that came meanwhile makes of the call, and it decides that right after an
   * interruption. So the thread, with its own registers and mask, enters the call and is interrupted in it once more.
   */
  interruptOnceMore(): void {
    const { tid } = this.#thread;
    this.#runToEntry();
    // A thread that was stopped right on its way to the call was not seen in it before.
    const call = this.#arch.callOf(retrySyscall(() => getRegisters(tid)));
    this.#thread.session.blockedCalls.set(tid, call);
    runToCompletion(this.#thread.stopOnTheWayBack());
  }

  /**
   * Run to the entry of the call; its number. No signal is let in on the way. Signals are blocked only when one
   * comes: they would stay blocked if this program were killed then.
   */
  #runToEntry(): bigint {
    const { tid } = this.#thread;
    for (let signal = 0;;) {
      const status = runToCompletion(this.#thread.resume(signal));
      if (status.kind === "syscall-stop") break;
      signal = status.kind === "signal-delivery-stop" ? status.signal : 0;
      // A signal that is blocked by now is queued again: ptrace_signal() in kernel/signal.c.
      if (signal !== 0) retrySyscall(() => setSignalMask(tid, ALL_SIGNALS));
    }
    const { op, result } = retrySyscall(() => getSyscallInfo(tid));
    retrySyscall(() => setSignalMask(tid, this.#mask));
    this.#thread.expectOp(PTRACE_SYSCALL_INFO_ENTRY, op);
    return result;
  }

  /** To be done at the entry: makes `getpid` in place of the call, or no call at all without signal frames. */
  #instead(getpid: Registers, sigframes: SigframeStack | undefined): (() => void) | undefined {
    const { tid } = this.#thread;
    if (sigframes === undefined) {
      retrySyscall(() => replaceSyscall(tid, -1));
      return undefined;
    }
    const { signalFrames, syscallInstruction, syscallNumbers } = this.#arch;
    const after = sigframes.instruction + BigInt(syscallInstruction.length);
    // Not undefined: without it there would be no sigframe stack.
    const returning = signalFrames!.withInstructionPointer(sigframes.beneath(getpid), after);
    return () => enterInstead(tid, returning, syscallNumbers.getpid);
  }
}
