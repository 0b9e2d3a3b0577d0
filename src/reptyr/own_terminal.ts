/** The user's terminal while another one is shown on it. */
import { SyscallError } from "../errors.ts";
import type { RawMode } from "../tty/raw_mode.ts";
import type { UserTerminal } from "../tty/user_terminal.ts";
import { getWindowSize, type WindowSize } from "../tty/window_size.ts";

/** The terminal's size at any time; the last one known once it is hung up. Throws when it never had one. */
export function sizeOf({ screen }: UserTerminal): () => WindowSize {
  let known = getWindowSize(screen);
  return () => {
    try {
      known = getWindowSize(screen);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
    return known;
  };
}

/** Deno.exit() runs no disposers, but dispatches `unload`: an error in a callback ends there. */
export function restoreAtExit(rawMode: RawMode, cleanup: DisposableStack): void {
  const restore = () => rawMode[Symbol.dispose]();
  globalThis.addEventListener("unload", restore);
  cleanup.defer(() => globalThis.removeEventListener("unload", restore));
}
