/** kitty's keyboard protocol. Pure. */

/**
 * The flags of one screen: a stack above a first entry. Terminals limit its height, and throw away the lowest entry; to pop
 * more entries than there are does no harm.
 */
export type KeyboardFlags = number[];

const HIGHEST_STACK = 128;

/** Five flags so far; a number that is none would not be printed as one. */
const ALL_FLAGS = 0xff;

/** Act upon `CSI PARAMETERS u`. */
export function changeFlags(stack: KeyboardFlags, parameters: string): void {
  const found = /^([<=>])(\d*)(?:;(\d*))?$/.exec(parameters);
  if (found === null) return;
  const [, marker, first = "", second = ""] = found;
  const count = Number(first);
  const flags = count & ALL_FLAGS;
  const top = stack.length - 1;
  switch (marker) {
    case ">":
      stack.push(flags);
      if (stack.length > HIGHEST_STACK) stack.splice(1, 1);
      break;
    case "<":
      stack.splice(Math.max(1, stack.length - Math.max(1, count)));
      break;
    case "=":
      if (second === "2") stack[top] = (stack[top] ?? 0) | flags;
      else if (second === "3") stack[top] = (stack[top] ?? 0) & ~flags;
      else stack[top] = flags;
      break;
  }
}

/** The sequences that take all flags back. */
export function popped(stack: KeyboardFlags): string {
  const pop = stack.length > 1 ? `\x1b[<${stack.length - 1}u` : "";
  return pop + (stack[0] === 0 ? "" : "\x1b[=0u");
}

/** The sequences that set the flags again. */
export function pushed([first, ...others]: KeyboardFlags): string {
  const push = others.map((flags) => `\x1b[>${flags}u`).join("");
  return (first === 0 ? "" : `\x1b[=${first}u`) + push;
}
