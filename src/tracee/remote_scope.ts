/**
 * The time in which the main thread of a tracee has registers of ours, with the signal frames that bring it back if this
 * program is killed: from the first call in the scope to the last restored register.
 */
import type { Registers, SyscallName } from "../arch/mod.ts";
import { cover, type CoveredCall, mayMakeAlone } from "./covered_call.ts";
import { InterruptedSyscall } from "./interrupted_syscall.ts";
import { ALL_SIGNALS, getRegisters, setRegisters, setSignalMask } from "./ptrace.ts";
import { RemoteThread } from "./remote_thread.ts";
import { retrySyscall } from "./retry_syscall.ts";
import { SavedRegisters } from "./saved_registers.ts";
import { ScopeTimer } from "./scope_timer.ts";
import { SigframeStack } from "./sigframe_stack.ts";
import type { Steps } from "./steps.ts";
import type { Tracee } from "./tracee.ts";

export class RemoteScope {
  readonly thread: RemoteThread;
  readonly #tid: number;
  readonly #saved: SavedRegisters;
  readonly #instruction: bigint;
  #sigframes: SigframeStack | undefined;
  /** Runs from the first changed register to the last restored one. */
  #timer: ScopeTimer | undefined;
  #interruptedSyscall: InterruptedSyscall | undefined;

  constructor(readonly tracee: Tracee) {
    if (tracee.heldUp !== undefined) throw tracee.heldUp.error;
    this.#tid = tracee.mainTid;
    // In a scope within another the thread has registers of ours already: nothing may fail there.
    const ask = tracee.remoteScopes > 0 ? retrySyscall : once;
    this.#saved = new SavedRegisters(tracee, ask);
    const { general, signalMask, abort } = this.#saved;
    // Signal frames of an inner scope lead no further than to the registers of the outer one.
    const place = tracee.scopesWithoutSigframes > 0 ? undefined : tracee.sigframePlace;
    this.#sigframes = place && ask(() => SigframeStack.lay(place, general, signalMask, abort));
    this.#instruction = this.#sigframes?.instruction ?? tracee.syscallInstruction;
    this.thread = new RemoteThread(tracee, this.#tid, this.#sigframes !== undefined);
  }

  /** The frames that bring the thread back; `undefined` where none can be laid, and after the end. */
  get sigframes(): SigframeStack | undefined {
    return this.#sigframes;
  }

  /** Whether the thread has registers of ours. */
  get isEntered(): boolean {
    return this.#timer !== undefined;
  }

  /** Give the thread the registers of call `name`. What is returned is to be done at its entry, if the filter forbids it. */
  prepare(name: SyscallName, args: readonly bigint[]): CoveredCall | undefined {
    const isFirst = !this.isEntered;
    if (isFirst) this.#leaveInterruptedSyscall();
    const { arch, callFilter } = this.tracee;
    const call = this.registersFor(name, args);
    const registers = this.#sigframes?.beneath(call) ?? call;
    const number = arch.syscallNumbers[name];
    const other = (number: number, args: readonly bigint[]) => this.#registersOf(number, args);
    const meant = { tid: this.#tid, arch, number, args, registers, other };
    const covered = cover(meant, callFilter, this.#sigframes);
    this.thread.request(() => setRegisters(this.#tid, covered?.entering ?? registers));
    if (!this.isEntered) this.#enter();
    if (isFirst) this.thread.request(() => setSignalMask(this.#tid, ALL_SIGNALS));
    return covered;
  }

  /** Whether the thread's filter lets it make the call once this program has been killed. */
  mayMake(name: SyscallName, args: readonly bigint[]): boolean {
    const { arch, callFilter } = this.tracee;
    const call = { number: arch.syscallNumbers[name], args, arch };
    return mayMakeAlone(call, callFilter, this.#sigframes);
  }

  registersFor(name: SyscallName, args: readonly bigint[]): Registers {
    return this.#registersOf(this.tracee.arch.syscallNumbers[name], args);
  }

  #registersOf(number: number, args: readonly bigint[]): Registers {
    return this.tracee.arch.withSyscall(this.#saved.general, this.#instruction, number, args);
  }

  /** The number of the call that the thread was stopped in shows only now. It belongs to what the thread is given back. */
  #leaveInterruptedSyscall(): void {
    const { arch } = this.tracee;
    const { general, signalMask } = this.#saved;
    const call = InterruptedSyscall.find(this.thread, arch, general, signalMask);
    if (call === undefined) return;
    this.#enter();
    const number = call.learnNumber(this.registersFor("getpid", []), this.#sigframes);
    // Not undefined: only processors with an early restart have interrupted calls.
    this.#saved.general = arch.earlyRestart!.withNumber(general, number);
    this.#interruptedSyscall = call;
  }

  /** From here on the thread has registers of ours. */
  #enter(): void {
    const { tracee } = this;
    this.#timer = new ScopeTimer(tracee.session.scopeTimes, this.#sigframes !== undefined);
    if (tracee.remoteScopes++ === 0 && tracee.callFilter !== undefined) {
      this.thread.request(() => tracee.suspendFilter(true));
    }
    if (this.#sigframes === undefined) tracee.scopesWithoutSigframes++;
  }

  /** Have the thread find the frames as they are now. */
  useFrames(sigframes: SigframeStack): void {
    retrySyscall(() => setRegisters(this.#tid, sigframes.beneath(getRegisters(this.#tid))));
  }

  /**
   * Restore nothing: the thread does it itself, by its signal frames, when it is let go. Nothing else may be done in the
   * scope after this. A thread that is held up is not waited for then; the call that it stands in front of is passed over.
   */
  leaveToSigframes(): void {
    const { heldUp } = this.tracee;
    if (this.isEntered && this.#sigframes !== undefined) {
      if (heldUp === undefined) this.tracee.expectReturn(this.#saved.signalMask);
      else if (heldUp.wasReached) this.#passOverCall(this.#sigframes);
    }
    this.#timer = undefined;
    this.#sigframes = undefined;
  }

  #passOverCall(sigframes: SigframeStack): void {
    const { arch } = this.tracee;
    const registers = retrySyscall(() => getRegisters(this.#tid));
    if (arch.instructionPointer(registers) !== sigframes.instruction) return;
    const after = sigframes.instruction + BigInt(arch.syscallInstruction.length);
    // Not undefined: without it there would be no sigframe stack.
    const passed = arch.signalFrames!.withInstructionPointer(registers, after);
    // It may be rt_sigreturn(2), with another stack pointer: covered_call.ts.
    retrySyscall(() => setRegisters(this.#tid, sigframes.beneath(passed)));
  }

  /** For a thread that did not come back to where its registers are restored. */
  leaveHeldUp(): void {
    if (this.#sigframes !== undefined) this.leaveToSigframes();
    else this.#timer = undefined;
  }

  /** Give the thread all that is its own back. */
  *restore(): Steps<void> {
    if (this.#timer !== undefined) yield* this.#restoreRegisters(this.#timer);
    this.#sigframes?.remove();
    this.#sigframes = undefined;
  }

  *#restoreRegisters(timer: ScopeTimer): Steps<void> {
    const { tracee } = this;
    // The kernel looks at -ERESTART* in rax only on its way out of get_signal(), and a syscall-exit-stop is
    // past that. An interrupt-stop brings the thread back to where Tracee promises it to be.
    yield* this.thread.stopOnTheWayBack();
    this.#saved.restore(() => this.#interruptedSyscall?.interruptOnceMore());
    timer.stop();
    this.#timer = undefined;
    if (--tracee.remoteScopes === 0 && tracee.callFilter !== undefined) {
      retrySyscall(() => tracee.suspendFilter(false));
    }
    if (this.#sigframes === undefined) tracee.scopesWithoutSigframes--;
  }
}

function once<T>(action: () => T): T {
  return action();
}
