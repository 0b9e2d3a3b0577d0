/** Standard input that is no terminal: typed as by a person, and at its end, once, the key that means end of file. */
import { SyscallError } from "../errors.ts";
import { ICANON, VEOF } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import type { Transfer } from "./channel.ts";
import { EndOfInput } from "./end_of_input.ts";
import { fittedLength, LineLimit } from "./line_limit.ts";
import type { Pty } from "./pty.ts";
import type { KeySource } from "./pump.ts";
import { controlCharacter, type Termios } from "./settings.ts";
import { getTermios } from "./termios.ts";

export interface TextInputOptions {
  readonly pty: Pty;
  /** Reads standard input; does not block. */
  readonly readFrom: Transfer;
  /** Ends the pump's wait. */
  readonly wake: () => void;
  /** Called when the input cannot be read, with the error number; that is taken for its end. */
  readonly onError: (errno: number) => void;
}

/**
 * Pauses between looks at the pty. No event tells that its slave was read; so they grow, and in the end a program that
 * does not read what was typed costs one look a second.
 */
const FIRST_PAUSE_MS = 30;
const LONGEST_PAUSE_MS = 1000;

export class TextInput implements KeySource, Disposable {
  readonly #options: TextInputOptions;
  readonly #lines = new LineLimit();
  #end: EndOfInput | undefined;
  #due: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** When to look, by performance.now(). */
  #lookAt = Infinity;
  #pause = FIRST_PAUSE_MS;
  #timer: number | undefined;

  constructor(options: TextInputOptions) {
    this.#options = options;
  }

  get listening(): boolean {
    return this.#end === undefined;
  }

  get hasHeld(): boolean {
    return this.#due.length > 0;
  }

  /** Into `bytes`, which has room for more than a line. Never reports an end: there is a key for that. */
  readonly read = (fd: number, bytes: Uint8Array<ArrayBuffer>): number => {
    if (this.hasHeld) {
      const held = this.#due;
      bytes.set(held);
      this.#due = new Uint8Array(0);
      return held.length;
    }
    if (!this.listening) return -ERRNO.EAGAIN;
    const most = bytes.length - (fittedLength(bytes.length) - bytes.length);
    const count = this.#options.readFrom(fd, bytes.subarray(0, most));
    if (count === -ERRNO.EAGAIN || count === -ERRNO.EINTR) return -ERRNO.EAGAIN;
    if (count > 0) return this.#fit(bytes, count);
    if (count < 0) this.#options.onError(-count);
    this.#end = new EndOfInput(this.#lines.isUnfinished);
    this.#lookAfter(FIRST_PAUSE_MS);
    return -ERRNO.EAGAIN;
  };

  readonly beforeWait = (isIdle: boolean): void => {
    if (performance.now() < this.#lookAt || this.hasHeld || !isIdle) return;
    this.#lookAt = Infinity;
    this.#look();
  };

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #fit(bytes: Uint8Array<ArrayBuffer>, count: number): number {
    const settings = this.#settings();
    if (settings === undefined) return count;
    const fitted = this.#lines.fit(bytes.slice(0, count), settings);
    bytes.set(fitted);
    return fitted.length;
  }

  #look(): void {
    const end = this.#end;
    const settings = this.#settings();
    if (end === undefined || settings === undefined) return;
    const isCanonical = (settings.get("c_lflag") & ICANON) !== 0;
    const isRead = !this.#options.pty.hasUnread();
    switch (end.next({ isRead, isCanonical })) {
      case "type":
        this.#typeEnd(settings);
        break;
      case "later":
        this.#lookAfter(FIRST_PAUSE_MS);
        break;
      case "patiently":
        this.#lookAfter(Math.min(2 * this.#pause, LONGEST_PAUSE_MS));
        break;
      case "done":
        break;
    }
  }

  /** Where the programs have no key for end of file, there is none. */
  #typeEnd(settings: Termios): void {
    const key = controlCharacter(settings, VEOF);
    if (key === 0) return;
    this.#due = Uint8Array.of(key);
    this.#lookAt = -Infinity;
    this.#pause = FIRST_PAUSE_MS;
  }

  /** While the pump is busy timers come late, and that passes {@linkcode beforeWait} often enough then. */
  #lookAfter(pause: number): void {
    this.#pause = pause;
    this.#lookAt = performance.now() + pause;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#options.wake, pause + 1);
  }

  /** Undefined once the pty is gone. */
  #settings(): Termios | undefined {
    try {
      return getTermios(this.#options.pty.master);
    } catch (error) {
      if (error instanceof SyscallError) return undefined;
      throw error;
    }
  }
}
