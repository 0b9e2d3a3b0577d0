/** What the 64-bit and the 32-bit mode of x86 have in common. */

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
