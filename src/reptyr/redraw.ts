/** Making a full-screen program paint its whole screen on a terminal that has never seen it. */
import { SIGWINCH } from "../ffi/constants.ts";
import { write } from "../ffi/descriptor.ts";
import { pidfdSendSignal } from "../ffi/process.ts";
import type { Pty } from "../tty/pty.ts";
import { oneRowOff, sameSize, setWindowSize, type WindowSize } from "../tty/window_size.ts";

export type Redraw = "winch" | "ctrl-l" | "none";

/** How long the odd size stands: time for a program to take it in before the right one comes. */
const ODD_SIZE_MS = 100;

const CTRL_L = 0x0c;

/**
 * Ask the process of `pidfd` on `pty` to repaint. Many programs ignore SIGWINCH when the size is still
 * that of the old terminal, `oldSize`: then another size is shown for a moment. `size` tells the right
 * one at any time. The result cuts that moment off, for when the pty is about to be closed.
 */
export function requestRedraw(
  how: Redraw,
  pty: Pty,
  pidfd: number,
  oldSize: WindowSize | undefined,
  size: () => WindowSize,
): () => void {
  if (how === "none") return () => {};
  if (how === "ctrl-l") {
    write(pty.master, Uint8Array.of(CTRL_L));
    return () => {};
  }
  const now = size();
  if (oldSize !== undefined && !sameSize(oldSize, now)) {
    pidfdSendSignal(pidfd, SIGWINCH);
    return () => {};
  }
  setWindowSize(pty.master, oneRowOff(now));
  const timer = setTimeout(() => setWindowSize(pty.master, size()), ODD_SIZE_MS);
  return () => clearTimeout(timer);
}
