/** What the 64-bit and the 32-bit mode of x86 have in common. */

/** Trap and direction flag: an injected call is neither single-stepped nor run backwards. */
export const EFLAGS_CLEARED = 0x100n | 0x400n;

const EINTR = 4n;
const ERESTARTNOHAND = 514n;

/**
 * The result to give to a thread that was stopped in call `number` (negative: in none) with `result`,
 * so that the kernel makes the call again; `undefined` where it is right as it is. `eintrAfterStop` are
 * the calls that return EINTR after a stop although no handler ran.
 *
 * Not a rewind by hand: with ERESTARTNOHAND the kernel itself decides on resuming, and returns EINTR
 * after all if a handler is about to run. A rewound call would sleep on after the handler, and a program
 * that waits for `epoll_wait() == EINTR && flag` would wait for ever.
 */
export function restartingResult(
  number: bigint,
  result: bigint,
  eintrAfterStop: ReadonlySet<bigint>,
): bigint | undefined {
  return result === -EINTR && eintrAfterStop.has(number) ? -ERESTARTNOHAND : undefined;
}
