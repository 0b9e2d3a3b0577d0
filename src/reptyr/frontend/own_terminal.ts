/** The user's terminal while another one is shown on it. */
import { SyscallError } from "../../errors.ts";
import { winsize } from "../../ffi/structs.ts";
import { Struct } from "../../struct.ts";
import { RawMode } from "../../tty/raw_mode.ts";
import type { UserTerminal } from "../../tty/user_terminal.ts";
import { getWindowSize, type WindowSize } from "../../tty/window_size.ts";
import type { ScreenKeeper } from "./screen_keeper.ts";

/** Only where someone types at a terminal; its output is left alone where ours goes elsewhere. */
export function enterRawMode(
  { keyboard, keyboardIsTerminal, screenIsTerminal }: UserTerminal,
): RawMode {
  if (!keyboardIsTerminal) return RawMode.none();
  return RawMode.enter(keyboard, { inputOnly: !screenIsTerminal });
}

/**
 * Without a person who types, nobody has to see what is typed: script(1) does the same. And a newline becomes carriage
 * return and newline on a terminal that we have made raw, where no one else does that; not in a file or a pipe.
 */
export function plainness({ keyboardIsTerminal, screenIsTerminal }: UserTerminal) {
  return { noEcho: !keyboardIsTerminal, noReturns: !keyboardIsTerminal || !screenIsTerminal };
}

/** What programs take for the size of a terminal that they know nothing of. */
const COMMON_SIZE: WindowSize = new Struct(winsize).set("ws_row", 24).set("ws_col", 80);

/**
 * The terminal's size at any time: the screen's, else the keyboard's; the last one known once it is hung up. Where
 * neither is a terminal, that of an old one.
 */
export function sizeOf(terminal: UserTerminal): () => WindowSize {
  const { keyboard, keyboardIsTerminal, screen, screenIsTerminal } = terminal;
  if (!keyboardIsTerminal && !screenIsTerminal) return () => COMMON_SIZE;
  const fd = screenIsTerminal ? screen : keyboard;
  let known = getWindowSize(fd);
  return () => {
    try {
      known = getWindowSize(fd);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
    return known;
  };
}

/** Deno.exit() runs no disposers, but dispatches `unload`: an error in a callback ends there. */
export function restoreAtExit(
  rawMode: RawMode,
  screen: ScreenKeeper,
  cleanup: DisposableStack,
): void {
  const restore = () => {
    screen.reset();
    rawMode[Symbol.dispose]();
  };
  globalThis.addEventListener("unload", restore);
  cleanup.defer(restore);
  cleanup.defer(() => globalThis.removeEventListener("unload", restore));
}
