/**
 * System calls made by the tracee on our behalf.
 *
 * A scope saves every register of the thread at its begin and restores it at its end:
 *
 *     using remote = RemoteSyscalls.begin(tracee);
 *     const sid = remote.syscallOrThrow("getsid", 0);
 *
 * From `begin` to the end of the scope no `await` may stand: if this program died in between, the
 * thread would go on at our instruction with our registers, and only its signal frames bring it back.
 */
import type { SyscallName } from "../arch/mod.ts";
import {
  plus,
  type RemoteAddress,
  remoteAddress,
  type RemoteArgument,
  type RemoteFd,
} from "../brands.ts";
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
import type { CoveredCall } from "./covered_call.ts";
import { readMemory, writeMemory } from "./remote_memory.ts";
import { RemoteScope } from "./remote_scope.ts";
import { type PushOptions, SCRATCH_SIZE } from "./sigframe_stack.ts";
import { runToCompletion, type Steps } from "./steps.ts";
import type { Tracee } from "./tracee.ts";

/** The kernel's results from -4095 to -1 are error numbers: syscall(2). */
const MAX_ERRNO = 4095n;

/** See {@linkcode RemoteSyscalls.pushUndoFrame}. */
export const DATA = Symbol("address of data");

/** A call by its name, as {@linkcode RemoteSyscalls.pushUndoFrame} takes it. */
type UndoingCall = readonly [
  name: SyscallName,
  args: readonly (RemoteArgument | typeof DATA)[],
];

export interface UndoOptions extends PushOptions {
  /** To be made where the thread's seccomp filter does not allow the other one. */
  readonly instead?: UndoingCall;
}

export class RemoteSyscalls implements Disposable {
  readonly #scope: RemoteScope;
  #scratch: RemoteAddress | undefined;

  private constructor(scope: RemoteScope) {
    this.#scope = scope;
  }

  /**
   * Keep the main thread's registers, signal mask and restartable sequence. Nothing of these is changed before the
   * first call. Signals are blocked from then until the end of the scope, so that no handler runs on borrowed registers;
   * they stay queued. SIGSTOP cannot be blocked and takes effect at once.
   */
  static begin(tracee: Tracee): RemoteSyscalls {
    return new RemoteSyscalls(new RemoteScope(tracee));
  }

  /**
   * If this program is killed from the next call on, before the scope ends or {@linkcode commit}, have the thread make
   * call `name` by itself, before those that were asked for earlier. The argument `DATA` stands for the address of the
   * data that it is given, which is returned: the next call, without which this one is not made either, may fill it.
   * `undefined` without signal frames, and where the thread's filter does not let it make the call: then nothing will be
   * done.
   */
  pushUndoFrame(
    name: SyscallName,
    args: readonly (RemoteArgument | typeof DATA)[],
    options: UndoOptions = {},
  ): RemoteAddress | undefined {
    const { instead } = options;
    const calls: UndoingCall[] = [[name, args], ...instead === undefined ? [] : [instead]];
    const pushed = this.#scope.sigframes?.push((address) => {
      for (const [name, args] of calls) {
        const values = args.map((arg) => arg === DATA ? address : BigInt(arg));
        if (this.#scope.mayMake(name, values)) return this.#scope.registersFor(name, values);
      }
      this.tracee.leftUndone.add(name);
      return undefined;
    }, options);
    return pushed === undefined ? undefined : remoteAddress(pushed);
  }

  /** Whether this program may be killed during the scope without harm to the thread. */
  get hasSigframes(): boolean {
    return this.#scope.sigframes !== undefined;
  }

  /** For clone(2): the stack of a child that never is to run, and ends if it does. 0: the one that we use. */
  get stackOfChild(): RemoteAddress {
    const call = this.#scope.mayMake("exit", [0n]) ? "exit" : "exit_group";
    const registers = this.#scope.registersFor(call, [0n]);
    return remoteAddress(this.#scope.sigframes?.forChild(registers) ?? 0n);
  }

  /** All that has been done is to stay, also if this program is killed; but for descriptors `unneeded`. */
  commit(unneeded: readonly RemoteFd[] = []): void {
    const { sigframes, isEntered } = this.#scope;
    if (sigframes === undefined || !isEntered) return;
    sigframes.commit();
    for (const fd of unneeded) this.pushUndoFrame("close", [fd]);
    this.#scope.useFrames(sigframes);
  }

  /**
   * Make the tracee call `name` with `args`: the kernel's raw result, 0 or more, an address, or a
   * negated error number. Only calls that cannot block may be made: a blocked one would have to be
   * interrupted, and would overwrite the restart data of the call the thread was in.
   */
  syscall(name: SyscallName, ...args: readonly RemoteArgument[]): bigint {
    return runToCompletion(this.call(name, ...args));
  }

  /** {@linkcode syscall} in steps, for interleave() of steps.ts. */
  *call(name: SyscallName, ...args: readonly RemoteArgument[]): Steps<bigint> {
    let covered = this.#prepare(name, args);
    const { thread } = this.#scope;
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
    throw new RemoteSyscallError(this.tracee.pid, call, describeErrno(Number(-result)));
  }

  /**
   * Send the process SIGSTOP and make this thread take it: the group-stop has begun when the result is true. False
   * when a SIGCONT came in between and took the signal away: then the thread has run no more than one getpid() of
   * ours, for which its registers are prepared.
   */
  takeStop(): boolean {
    const { pid } = this.tracee;
    const covered = this.#prepare("getpid", []);
    orThrow(this.tracee.signal(SIGSTOP), `kill(${pid}, SIGSTOP)`);
    try {
      return this.#runToGroupStop(covered);
    } catch (error) {
      // Frozen, it would find the signal when it is thawed. SIGCONT discards it: signal(7).
      if (error instanceof HeldUpError) this.tracee.signal(SIGCONT);
      throw error;
    }
  }

  #runToGroupStop(covered: CoveredCall | undefined): boolean {
    const { deadline } = this.#scope.thread;
    for (let signal = 0;;) {
      const status = runToCompletion(this.#scope.thread.resume(signal, deadline));
      if (status.kind === "group-stop") return true;
      if (status.kind === "syscall-stop") {
        runToCompletion(
          this.#scope.thread.expectSyscallStop(PTRACE_SYSCALL_INFO_EXIT, covered?.enterInstead),
        );
        return false;
      }
      signal = status.kind === "signal-delivery-stop" ? status.signal : 0;
    }
  }

  /** What the last PTRACE_EVENT of an injected call told: a child's PID as we number it. */
  get eventMessage(): number {
    return this.#scope.thread.eventMessage;
  }

  get tracee(): Tracee {
    return this.#scope.tracee;
  }

  /**
   * Address of as much memory of the tracee as a page, which is ours until the end of the scope: beside the signal frames;
   * without one a mapping of its own, not the stack below the stack pointer, where other threads' and coroutines'
   * stacks may lie.
   */
  get scratch(): RemoteAddress {
    return runToCompletion(this.mapScratch());
  }

  /** {@linkcode scratch} in steps. */
  *mapScratch(): Steps<RemoteAddress> {
    const scratch = this.#scope.sigframes?.scratch ?? this.#scratch;
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
    writeMemory(this.#scope.thread.tid, address, bytes);
    return address;
  }

  /** Read from the scratch page. */
  read(length: number, offset = 0): Uint8Array<ArrayBuffer> {
    return readMemory(this.#scope.thread.tid, plus(this.scratch, offset), length);
  }

  /**
   * Restore nothing: the thread does it itself, by its signal frames, when it is let go. Nothing else may be done in the
   * scope after this.
   */
  leaveToSigframes(): void {
    this.#scope.leaveToSigframes();
    this.#scratch = undefined;
  }

  /** Give everything back. A tracee that died has nothing to be given; other failures are thrown. */
  [Symbol.dispose](): void {
    runToCompletion(this.restoreState());
  }

  /** What the end of the scope does, in steps; the end has nothing left to do then. */
  *restoreState(): Steps<void> {
    if (this.#scope.thread.failure !== undefined) return this.leaveToSigframes();
    try {
      try {
        const scratch = this.#scratch;
        this.#scratch = undefined;
        if (scratch !== undefined) yield* this.callOrThrow("munmap", scratch, SCRATCH_SIZE);
      } finally {
        yield* this.#scope.restore();
      }
    } catch (error) {
      if (error instanceof HeldUpError) this.#scope.leaveHeldUp();
      if (!(error instanceof TraceeDiedError)) throw error;
    }
  }

  /** Of a call that the filter forbids, what is to be done when the thread enters the kernel. */
  #prepare(name: SyscallName, args: readonly RemoteArgument[]): CoveredCall | undefined {
    return this.#scope.prepare(name, args.map(BigInt));
  }
}

/** Whether a raw result is a negated error number. */
export function isError(result: bigint): boolean {
  return result < 0n && result >= -MAX_ERRNO;
}

function formatArgument(arg: RemoteArgument): string {
  return arg > 0xffff ? `0x${arg.toString(16)}` : `${arg}`;
}
