/**
 * System calls made by the tracee on our behalf.
 *
 * Every register of the thread is put on loan for the length of a scope:
 *
 *     using remote = RemoteSyscalls.begin(tracee);
 *     const sid = remote.syscallOrThrow("getsid", 0);
 *
 * From `begin` to the end of the scope no `await` may stand: if this program died in between, the
 * thread would go on at our instruction with our registers, and only a safety net brings it back.
 */
import {
  plus,
  type RemoteAddress,
  remoteAddress,
  type RemoteArgument,
  type RemoteFd,
} from "../brands.ts";
import type { Registers, SyscallName } from "../arch/mod.ts";
import { HeldUpError, RemoteSyscallError, TraceeDiedError } from "../errors.ts";
import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
  PTRACE_SYSCALL_INFO_ENTRY,
  PTRACE_SYSCALL_INFO_EXIT,
  SIGCONT,
  SIGSTOP,
} from "../ffi/constants.ts";
import { describeErrno } from "../ffi/errno.ts";
import { orThrow } from "../ffi/raw.ts";
import { cover, type CoveredCall, mayMakeAlone } from "./covered_call.ts";
import { RseqSection } from "./rseq_section.ts";
import { retrySyscall } from "./retry_syscall.ts";
import { ScopeTimer } from "./scope_timer.ts";
import { RemoteThread } from "./remote_thread.ts";
import { InterruptedSyscall } from "./interrupted_syscall.ts";
import { ALL_SIGNALS, getRegisters, getSignalMask, setRegisters, setSignalMask } from "./ptrace.ts";
import { readMemory, writeMemory } from "./remote_memory.ts";
import { type PushOptions, SCRATCH_SIZE, SigframeStack } from "./sigframe_stack.ts";
import { runToCompletion, type Steps } from "./steps.ts";
import type { Tracee } from "./tracee.ts";
import { VectorRegisters } from "./vector_registers.ts";

/** The kernel's results from -4095 to -1 are error numbers: syscall(2). */
const MAX_ERRNO = 4095n;

/** See {@linkcode RemoteSyscalls.undoIfKilled}. */
export const DATA = Symbol("address of data");

/** A call by its name, as {@linkcode RemoteSyscalls.undoIfKilled} takes it. */
type UndoingCall = readonly [
  name: SyscallName,
  args: readonly (RemoteArgument | typeof DATA)[],
];

export interface UndoOptions extends PushOptions {
  /** To be made where the thread's seccomp filter does not allow the other one. */
  readonly instead?: UndoingCall;
}

export class RemoteSyscalls implements Disposable {
  readonly #tracee: Tracee;
  readonly #tid: number;
  readonly #thread: RemoteThread;
  #original: Registers;
  readonly #originalMask: bigint;
  readonly #instruction: bigint;
  readonly #rseqSection: RseqSection | undefined;
  readonly #vectors: VectorRegisters | undefined;
  #net: SigframeStack | undefined;
  #clock: ScopeTimer | undefined;
  #scratch: RemoteAddress | undefined;
  #interruptedSyscall: InterruptedSyscall | undefined;

  private constructor(tracee: Tracee) {
    if (tracee.heldUp !== undefined) throw tracee.heldUp.error;
    this.#tracee = tracee;
    this.#tid = tracee.mainTid;
    // In a scope within another the thread is on loan already.
    const ask = tracee.remoteScopes > 0 ? retrySyscall : once;
    this.#original = ask(() => getRegisters(this.#tid));
    this.#originalMask = ask(() => getSignalMask(this.#tid));
    this.#rseqSection = RseqSection.save(this.#tid);
    this.#vectors = VectorRegisters.save(tracee);
    const abort = this.#rseqSection?.abortAddress(
      tracee.arch.instructionPointer(this.#original),
    );
    // A net of an inner scope leads no further than to the registers of the outer one.
    const place = tracee.scopesWithoutSigframes > 0 ? undefined : tracee.sigframePlace;
    this.#net = place &&
      ask(() => SigframeStack.spread(place, this.#original, this.#originalMask, abort));
    this.#instruction = this.#net?.instruction ?? tracee.syscallInstruction;
    this.#thread = new RemoteThread(tracee, this.#tid, this.hasSigframes);
  }

  /**
   * Keep the main thread's registers, signal mask and restartable sequence. Nothing of these is changed before the
   * first call. Signals are blocked from then until the end of the scope, so that no handler runs on borrowed registers;
   * they stay queued. SIGSTOP cannot be blocked and takes effect at once.
   */
  static begin(tracee: Tracee): RemoteSyscalls {
    return new RemoteSyscalls(tracee);
  }

  /**
   * If this program is killed from the next call on, before the scope ends or {@linkcode commit}, have the thread make
   * call `name` by itself, before those that were asked for earlier. The argument `DATA` stands for the address of the
   * data that it is given, which is returned: the next call, without which this one is not made either, may fill it.
   * `undefined` without a safety net, and where the thread's filter does not let it make the call: then nothing will be
   * done.
   */
  pushUndoFrame(
    name: SyscallName,
    args: readonly (RemoteArgument | typeof DATA)[],
    options: UndoOptions = {},
  ): RemoteAddress | undefined {
    const { instead } = options;
    const calls: UndoingCall[] = [[name, args], ...instead === undefined ? [] : [instead]];
    const pushed = this.#net?.push((address) => {
      for (const [name, args] of calls) {
        const values = args.map((arg) => arg === DATA ? address : BigInt(arg));
        if (this.#mayMake(name, values)) return this.#call(name, values);
      }
      this.#tracee.leftUndone.add(name);
      return undefined;
    }, options);
    return pushed === undefined ? undefined : remoteAddress(pushed);
  }

  /** Whether this program may be killed during the scope without harm to the thread. */
  get hasSigframes(): boolean {
    return this.#net !== undefined;
  }

  /** For clone(2): the stack of a child that never is to run, and ends if it does. 0: the one that we use. */
  get stackOfChild(): RemoteAddress {
    const call = this.#mayMake("exit", [0n]) ? "exit" : "exit_group";
    return remoteAddress(this.#net?.forChild(this.#call(call, [0n])) ?? 0n);
  }

  /** All that has been done is to stay, also if this program is killed; but for descriptors `unneeded`. */
  commit(unneeded: readonly RemoteFd[] = []): void {
    const net = this.#net;
    if (net === undefined || this.#clock === undefined) return;
    net.commit();
    for (const fd of unneeded) this.pushUndoFrame("close", [fd]);
    retrySyscall(() => setRegisters(this.#tid, net.beneath(getRegisters(this.#tid))));
  }

  /**
   * Make the tracee call `name` with `args`: the kernel's raw result, 0 or more, an address, or a
   * negated error number. Only calls that cannot block may be made: a blocked one would have to be
   * interrupted, and would overwrite the restart data of the call the thread was in.
   */
  syscall(name: SyscallName, ...args: readonly RemoteArgument[]): bigint {
    return runToCompletion(this.call(name, ...args));
  }

  /** {@linkcode syscall} in steps, for {@linkcode overlap}. */
  *call(name: SyscallName, ...args: readonly RemoteArgument[]): Steps<bigint> {
    let covered = this.#prepare(name, args);
    const thread = this.#thread;
    const { mayBeInside } = thread;
    yield* thread.runToSyscallStop();
    if (mayBeInside && thread.syscallInfo().op === PTRACE_SYSCALL_INFO_EXIT) {
      covered = this.#prepare(name, args);
      yield* thread.expectSyscallStop(PTRACE_SYSCALL_INFO_ENTRY);
    }
    return yield* thread.expectSyscallStop(PTRACE_SYSCALL_INFO_EXIT, covered?.enterInstead);
  }

  /** As {@linkcode syscall}; an error number becomes RemoteSyscallError. */
  syscallOrThrow(name: SyscallName, ...args: readonly RemoteArgument[]): bigint {
    return runToCompletion(this.callOrThrow(name, ...args));
  }

  /** {@linkcode syscallOrThrow} in steps. */
  *callOrThrow(name: SyscallName, ...args: readonly RemoteArgument[]): Steps<bigint> {
    const result = yield* this.call(name, ...args);
    return isError(result)
      ? this.check(result, `${name}(${args.map(formatArgument).join(", ")})`)
      : result;
  }

  /** `result` of a call that is described by `call`; an error number becomes RemoteSyscallError. */
  check(result: bigint, call: string): bigint {
    if (!isError(result)) return result;
    throw new RemoteSyscallError(this.#tracee.pid, call, describeErrno(Number(-result)));
  }

  /**
   * Send the process SIGSTOP and make this thread take it: the group-stop has begun when the result is true. False
   * when a SIGCONT came in between and took the signal away: then the thread has run no more than one getpid() of
   * ours, for which its registers are prepared.
   */
  takeStop(): boolean {
    const { pid } = this.#tracee;
    const covered = this.#prepare("getpid", []);
    orThrow(this.#tracee.signal(SIGSTOP), `kill(${pid}, SIGSTOP)`);
    try {
      return this.#runToGroupStop(covered);
    } catch (error) {
      // Frozen, it would find the signal when it is thawed. SIGCONT discards it: signal(7).
      if (error instanceof HeldUpError) this.#tracee.signal(SIGCONT);
      throw error;
    }
  }

  #runToGroupStop(covered: CoveredCall | undefined): boolean {
    const { deadline } = this.#thread;
    for (let signal = 0;;) {
      const status = runToCompletion(this.#thread.resume(signal, deadline));
      if (status.kind === "group-stop") return true;
      if (status.kind === "syscall-stop") {
        runToCompletion(
          this.#thread.expectSyscallStop(PTRACE_SYSCALL_INFO_EXIT, covered?.enterInstead),
        );
        return false;
      }
      signal = status.kind === "signal-delivery-stop" ? status.signal : 0;
    }
  }

  /** What the last PTRACE_EVENT of an injected call told: a child's PID as we number it. */
  get eventMessage(): number {
    return this.#thread.eventMessage;
  }

  get tracee(): Tracee {
    return this.#tracee;
  }

  /**
   * Address of as much memory of the tracee as a page, which is ours until the end of the scope: beside the safety net;
   * without one a mapping of its own, not the stack below the stack pointer, where other threads' and coroutines'
   * stacks may lie.
   */
  get scratch(): RemoteAddress {
    return runToCompletion(this.mapScratch());
  }

  /** {@linkcode scratch} in steps. */
  *mapScratch(): Steps<RemoteAddress> {
    const scratch = this.#net?.scratch ?? this.#scratch;
    if (scratch !== undefined) return remoteAddress(scratch);
    const access = PROT_READ | PROT_WRITE;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS;
    const mapped = remoteAddress(
      yield* this.callOrThrow("mmap", 0, SCRATCH_SIZE, access, flags, -1, 0),
    );
    this.#scratch = mapped;
    this.pushUndoFrame("munmap", [mapped, SCRATCH_SIZE], { always: true });
    return mapped;
  }

  /** Write to the scratch page. */
  write(bytes: Uint8Array<ArrayBuffer>, offset = 0): RemoteAddress {
    const address = plus(this.scratch, offset);
    writeMemory(this.#tid, address, bytes);
    return address;
  }

  /** Read from the scratch page. */
  read(length: number, offset = 0): Uint8Array<ArrayBuffer> {
    return readMemory(this.#tid, plus(this.scratch, offset), length);
  }

  /**
   * Give nothing back: the thread does it itself, by its safety net, when it is let go. Nothing else may be done in the
   * scope after this. One that is held up is not waited for then; the call that it stands in front of is passed over.
   */
  leaveToSigframes(): void {
    const { heldUp } = this.#tracee;
    if (this.#clock !== undefined && this.#net !== undefined) {
      if (heldUp === undefined) this.#tracee.expectReturn(this.#originalMask);
      else if (heldUp.wasReached) this.#passOverCall(this.#net);
    }
    this.#clock = undefined;
    this.#scratch = undefined;
    this.#net = undefined;
  }

  #passOverCall(net: SigframeStack): void {
    const { arch } = this.#tracee;
    const registers = retrySyscall(() => getRegisters(this.#tid));
    if (arch.instructionPointer(registers) !== net.instruction) return;
    const after = net.instruction + BigInt(arch.syscallInstruction.length);
    const passed = arch.signalFrames!.withInstructionPointer(registers, after);
    // It may be rt_sigreturn(2), with another stack pointer: covered_call.ts.
    retrySyscall(() => setRegisters(this.#tid, net.beneath(passed)));
  }

  /** Give everything back. A tracee that died has nothing to be given; other failures are thrown. */
  [Symbol.dispose](): void {
    runToCompletion(this.restoreState());
  }

  /** What the end of the scope does, in steps; the end has nothing left to do then. */
  *restoreState(): Steps<void> {
    if (this.#thread.failure !== undefined) return this.leaveToSigframes();
    try {
      try {
        const scratch = this.#scratch;
        this.#scratch = undefined;
        if (scratch !== undefined) yield* this.callOrThrow("munmap", scratch, SCRATCH_SIZE);
      } finally {
        yield* this.#restore();
      }
    } catch (error) {
      if (error instanceof HeldUpError) this.#leaveHeldUp();
      if (!(error instanceof TraceeDiedError)) throw error;
    }
  }

  /** It did not come back to where it is given its registers. */
  #leaveHeldUp(): void {
    if (this.#net !== undefined) this.leaveToSigframes();
    else this.#clock = undefined;
  }

  *#restore(): Steps<void> {
    if (this.#clock !== undefined) yield* this.#restoreRegisters(this.#clock);
    this.#net?.takeUp();
    this.#net = undefined;
  }

  *#restoreRegisters(clock: ScopeTimer): Steps<void> {
    // The kernel looks at -ERESTART* in rax only in get_signal()'s company, and a syscall-exit-stop is
    // past that. An interrupt-stop brings the thread back to where Tracee promises it to be.
    yield* this.#thread.stopOnTheWayBack();
    // The registers last: as long as it has ours, the thread can still bring itself back.
    try {
      this.#rseqSection?.restore();
    } finally {
      try {
        this.#vectors?.restore();
      } finally {
        retrySyscall(() => setSignalMask(this.#tid, this.#originalMask));
        retrySyscall(() => setRegisters(this.#tid, this.#original));
        this.#interruptedSyscall?.interruptOnceMore();
      }
    }
    clock.stop();
    this.#clock = undefined;
    if (--this.#tracee.remoteScopes === 0 && this.#tracee.callFilter !== undefined) {
      retrySyscall(() => this.#tracee.suspendFilter(false));
    }
    if (this.#net === undefined) this.#tracee.scopesWithoutSigframes--;
  }

  /** Of a call that the filter forbids, what is to be done when the thread enters the kernel. */
  #prepare(name: SyscallName, args: readonly RemoteArgument[]): CoveredCall | undefined {
    const isFirst = this.#clock === undefined;
    if (isFirst) this.#leaveParkedCall();
    const { arch, callFilter } = this.#tracee;
    const values = args.map(BigInt);
    const call = this.#call(name, values);
    const registers = this.#net?.beneath(call) ?? call;
    const number = arch.syscallNumbers[name];
    const covered = cover(
      {
        tid: this.#tid,
        arch,
        number,
        args: values,
        registers,
        other: (number, args) => this.#callOf(number, args),
      },
      callFilter,
      this.#net,
    );
    this.#thread.request(() => setRegisters(this.#tid, covered?.entering ?? registers));
    if (this.#clock === undefined) this.#startClock();
    if (isFirst) this.#thread.request(() => setSignalMask(this.#tid, ALL_SIGNALS));
    return covered;
  }

  #mayMake(name: SyscallName, args: readonly bigint[]): boolean {
    const { arch, callFilter } = this.#tracee;
    return mayMakeAlone({ number: arch.syscallNumbers[name], args, arch }, callFilter, this.#net);
  }

  /** The number of the call shows only now, and belongs to what the thread is given back. */
  #leaveParkedCall(): void {
    const { arch } = this.#tracee;
    const call = InterruptedSyscall.find(this.#thread, arch, this.#original, this.#originalMask);
    if (call === undefined) return;
    this.#startClock();
    const number = call.learnNumber(this.#call("getpid", []), this.#net);
    this.#original = arch.earlyRestart!.withNumber(this.#original, number);
    this.#interruptedSyscall = call;
  }

  /** From here on the thread is on loan. */
  #startClock(): void {
    this.#clock = new ScopeTimer(this.#tracee.session.scopeTimes, this.#net !== undefined);
    if (this.#tracee.remoteScopes++ === 0 && this.#tracee.callFilter !== undefined) {
      this.#thread.request(() => this.#tracee.suspendFilter(true));
    }
    if (this.#net === undefined) this.#tracee.scopesWithoutSigframes++;
  }

  #call(name: SyscallName, args: readonly bigint[]): Registers {
    return this.#callOf(this.#tracee.arch.syscallNumbers[name], args);
  }

  #callOf(number: number, args: readonly bigint[]): Registers {
    return this.#tracee.arch.withSyscall(this.#original, this.#instruction, number, args);
  }
}

function once<T>(action: () => T): T {
  return action();
}

/** Whether a raw result is a negated error number. */
export function isError(result: bigint): boolean {
  return result < 0n && result >= -MAX_ERRNO;
}

function formatArgument(arg: RemoteArgument): string {
  return arg > 0xffff ? `0x${arg.toString(16)}` : `${arg}`;
}
