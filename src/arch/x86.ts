/** What the 64-bit and the 32-bit mode of x86 have in common. */
import type { Architecture, Registers } from "./arch.ts";
import type { RegisterAccess } from "./register_access.ts";

/** Trap and direction flag: an injected call is neither single-stepped nor run backwards. */
export const EFLAGS_CLEARED = 0x100n | 0x400n;

const EINTR = 4n;
const ERESTARTNOHAND = 514n;
const ERESTART_RESTARTBLOCK = 516n;

/** A result with which the kernel makes the interrupted call again, or returns EINTR when a handler is about to run. */
export const RESTARTED_UNLESS_HANDLED = -ERESTARTNOHAND;

/** Whether the kernel will make restart_syscall(2) in place of call `number` (negative: none), which had `result`. */
export function hasRestartBlock(number: bigint, result: bigint): boolean {
  return number >= 0n && result === -ERESTART_RESTARTBLOCK;
}

/**
 * The result to give to a thread that was stopped in call `number` (negative: in none) with `result`, so that the kernel
 * makes the call again; `undefined` where it is right as it is. `eintrAfterStop` are the calls that return EINTR after a
 * stop although no handler ran. The kernel decides on resuming, which a rewind by hand would not leave to it:
 * docs/kernel-notes.md#eintr-after-a-stop.
 */
export function restartingResult(
  number: bigint,
  result: bigint,
  eintrAfterStop: ReadonlySet<bigint>,
): bigint | undefined {
  return result === -EINTR && eintrAfterStop.has(number) ? RESTARTED_UNLESS_HANDLED : undefined;
}

/** Of SYSCALL, SYSENTER and INT 0x80. */
export const SYSCALL_LENGTH = 2n;

// include/linux/errno.h: interrupted calls that are to be made again.
const ERESTARTS: ReadonlySet<bigint> = new Set([
  -512n,
  -513n,
  -ERESTARTNOHAND,
  -ERESTART_RESTARTBLOCK,
]);

/** Whether the kernel will make call `number` (negative: none) again, which was interrupted with `result`. */
export function isRestarted(number: bigint, result: bigint): boolean {
  return number >= 0n && ERESTARTS.has(result);
}

/**
 * No mode that sigaltstack(2) has: rt_sigreturn(2) ignores that it cannot be set, restore_altstack() in
 * kernel/signal.c, and the alternate stack, which no other process can read, stays what it is.
 */
export const NO_ALTERNATE_STACK_MODE = 0x40;

/** The registers of a system call. */
export interface CallRegisters<N extends string> {
  /** Has the number of the call that the thread is in; negative outside of calls. */
  readonly number: N;
  /** Has the number before a call, and the result after it. */
  readonly result: N;
  readonly instruction: N;
  readonly stack: N;
  readonly flags: N;
  /** In the order in which the kernel takes them: syscall(2), "Architecture calling conventions". */
  readonly args: readonly N[];
}

type X86Calls = Pick<
  Architecture,
  | "instructionPointer"
  | "withSyscall"
  | "entered"
  | "hasNumberSet"
  | "withRestart"
  | "restartBlock"
  | "eintrAfterStop"
  | "callOf"
  | "withResult"
>;

/** How threads make system calls in a mode whose registers are named by `names`. `ignoredBits` are no part of a number. */
export function x86Calls<N extends string>(
  { get, getSigned, set }: Pick<RegisterAccess<N>, "get" | "getSigned" | "set">,
  names: CallRegisters<N>,
  eintrAfterStop: Readonly<Record<string, number>>,
  ignoredBits = 0n,
): X86Calls {
  const eintrNumbers: ReadonlySet<bigint> = new Set(Object.values(eintrAfterStop).map(BigInt));
  const changed = (registers: Registers, changes: readonly (readonly [N, bigint])[]) => {
    const copy = registers.slice();
    for (const [name, value] of changes) set(copy, name, value);
    return copy;
  };
  const numberOf = (registers: Registers) => getSigned(registers, names.number) & ~ignoredBits;
  const resultOf = (registers: Registers) => getSigned(registers, names.result);
  return {
    instructionPointer: (registers) => get(registers, names.instruction),

    withSyscall: (registers, instruction, number, args) =>
      changed(registers, [
        // A number >= 0 would make the kernel take the stop for one inside a system call, see -ERESTART* in the result, and
        // move the instruction pointer: arch_do_signal_or_restart(). Of a 32-bit program the kernel takes this -1 for a
        // 32-bit debugger's, and extends its sign.
        [names.number, -1n],
        [names.result, BigInt(number)],
        [names.instruction, instruction],
        [names.flags, get(registers, names.flags) & ~EFLAGS_CLEARED],
        ...names.args.map((name, index) => [name, args[index] ?? 0n] as const),
      ]),

    entered: (registers) =>
      changed(registers, [
        [names.number, get(registers, names.result)],
        [names.instruction, get(registers, names.instruction) + SYSCALL_LENGTH],
      ]),

    hasNumberSet: false,

    withRestart(registers) {
      const result = restartingResult(numberOf(registers), resultOf(registers), eintrNumbers);
      return result === undefined ? registers : changed(registers, [[names.result, result]]);
    },

    restartBlock: {
      isPending: (registers) => hasRestartBlock(numberOf(registers), resultOf(registers)),
      withoutIt: (registers) => changed(registers, [[names.result, RESTARTED_UNLESS_HANDLED]]),
    },

    eintrAfterStop,

    callOf: (registers) => ({
      number: numberOf(registers),
      args: names.args.map((name) => get(registers, name)),
      stackPointer: get(registers, names.stack),
      instructionPointer: get(registers, names.instruction),
    }),

    withResult: (registers, result) => changed(registers, [[names.result, result]]),
  };
}
