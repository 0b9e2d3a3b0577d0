/** Our own terminal is left as a shell's prompt needs it, whatever the moved program had set and however it ended. */
import { POLLOUT } from "../../ffi/constants.ts";
import { PollSet } from "../../ffi/descriptor.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { ScreenModes } from "../../tty/screen_modes.ts";
import type { UserTerminal } from "../../tty/user_terminal.ts";

/** How long a screen that takes nothing more, as after ^S, may hold us up. */
const LONGEST_WAIT_MS = 300;

export class ScreenKeeper {
  readonly #terminal: Pick<UserTerminal, "screen" | "screenIsTerminal" | "writeTo">;
  readonly #modes = new ScreenModes();
  /** Something was shown since the screen was put right. */
  #isUsed = false;

  /** `terminal` shows what {@linkcode watch} is told of. */
  constructor(terminal: Pick<UserTerminal, "screen" | "screenIsTerminal" | "writeTo">) {
    this.#terminal = terminal;
  }

  /** The screen was given `bytes`. */
  readonly watch = (bytes: Uint8Array): void => {
    if (!this.#terminal.screenIsTerminal) return;
    this.#isUsed = true;
    this.#modes.feed(bytes);
  };

  /** Put the screen right, for now or for good. */
  reset(): void {
    if (!this.#isUsed) return;
    this.#isUsed = false;
    this.#write(this.#modes.reset);
  }

  /**
   * Set again what the program had set. It has to paint its picture again itself. Where nobody had put the screen right
   * meanwhile, that comes first: what the terminal keeps a stack of would be on it twice.
   */
  restore(): void {
    this.reset();
    this.#isUsed = this.#terminal.screenIsTerminal;
    this.#write(this.#modes.again);
  }

  /** All of `text`, unless the screen is gone or takes nothing for a while. */
  #write(text: string): void {
    let bytes = new TextEncoder().encode(text);
    while (bytes.length > 0) {
      const count = this.#terminal.writeTo(this.#terminal.screen, bytes);
      if (count > 0) bytes = bytes.subarray(count);
      else if (count !== -ERRNO.EINTR && (count !== -ERRNO.EAGAIN || !this.#becomesReady())) return;
    }
  }

  #becomesReady(): boolean {
    const set = new PollSet(1);
    set.watch(0, this.#terminal.screen, POLLOUT);
    return set.poll(LONGEST_WAIT_MS) > 0;
  }
}
