/** The flags of kitty's keyboard protocol. Pure. */

/**
 * kitty's keyboard protocol: each screen has a stack of flags above a first entry. Terminals limit its height, and throw
 * away the lowest; to pop more than there is does no harm.
 */
export type KeyboardFlags = number[];

export const HIGHEST_STACK = 128;

/** Five flags so far; a number that is none would not be printed as one. */
export const ALL_FLAGS = 0xff;

/** What takes the stack off. */
export function popped(stack: KeyboardFlags): string {
  const pop = stack.length > 1 ? `\x1b[<${stack.length - 1}u` : "";
  return pop + (stack[0] === 0 ? "" : "\x1b[=0u");
}

/** What puts the stack on again. */
export function pushed([first, ...others]: KeyboardFlags): string {
  const push = others.map((flags) => `\x1b[>${flags}u`).join("");
  return (first === 0 ? "" : `\x1b[=${first}u`) + push;
}
