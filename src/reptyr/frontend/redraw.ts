/** Making a full-screen program paint its whole screen on a terminal that has never seen it. */
import { write } from "../../ffi/descriptor.ts";
import type { Pty } from "../../tty/pty.ts";
import {
  hasWindowSize,
  oneRowOff,
  sameSize,
  tryGetWindowSize,
  trySetWindowSize,
  type WindowSize,
} from "../../tty/window_size.ts";

export type Redraw = "winch" | "ctrl-l" | "none";

/** How long the odd size stands: time for a program to take it in before the right one comes. */
const ODD_SIZE_MS = 100;

const CTRL_L = 0x0c;

/** What a repaint needs to know. */
export interface Redrawing {
  readonly how: Redraw;
  readonly pty: Pty;
  /** Pass SIGWINCH on to the processes that the pty's own does not reach. */
  readonly notify: () => void;
  /** Send SIGWINCH to all on the pty: for a move, before which the kernel had nobody there to tell. */
  readonly tellAll?: () => void;
  /** The size of the user's terminal at any time. */
  readonly size: () => WindowSize;
}

/**
 * Makes the programs on a pty repaint. Many ignore SIGWINCH when the size is still the one they know: then another
 * size is shown for a moment. Disposing cuts that moment off, for when the pty is about to be closed.
 */
export class Redrawer implements Disposable {
  readonly #what: Redrawing;
  #timer: number | undefined;

  constructor(what: Redrawing) {
    this.#what = what;
  }

  /** `known` is the size that the programs know. */
  request(known: WindowSize | undefined): void {
    const { how, pty, size, notify, tellAll } = this.#what;
    if (how === "none") return this.resize();
    if (how === "ctrl-l") {
      this.resize();
      write(pty.master, Uint8Array.of(CTRL_L));
      return;
    }
    const now = size();
    const changed = known !== undefined && !sameSize(known, now);
    if (changed && hasWindowSize(pty.master, now)) {
      // Set before the programs came: the kernel had nobody to tell.
      return (tellAll ?? notify)();
    }
    if (changed) return this.#setSize(now);
    this.#setSize(oneRowOff(now));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.resize(), ODD_SIZE_MS);
  }

  /** As {@linkcode request}, for programs that know the size that the pty has now. */
  repaint(): void {
    this.request(tryGetWindowSize(this.#what.pty.master));
  }

  /** Give the pty the size that the user's terminal has now. */
  resize(): void {
    this.#setSize(this.#what.size());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  /** Everyone on the pty is told, unless it has that size already: as the kernel does, pty_resize(). */
  #setSize(size: WindowSize): void {
    const { pty, notify } = this.#what;
    if (hasWindowSize(pty.master, size)) return;
    trySetWindowSize(pty.master, size);
    notify();
  }
}
