/** Which of the bytes typed at a terminal are keys that the kernel turns into signals. Pure. */
import {
  ICANON,
  IEXTEN,
  ISIG,
  SIGINT,
  SIGQUIT,
  SIGTSTP,
  VINTR,
  VLNEXT,
  VQUIT,
  VSUSP,
} from "../ffi/constants.ts";
import { controlCharacter, type Termios } from "./termios.ts";

/** A key that means a signal: its place among the bytes. */
export interface SignalKey {
  readonly index: number;
  readonly signal: number;
}

const KEYS: readonly (readonly [number, number])[] = [
  [VINTR, SIGINT],
  [VQUIT, SIGQUIT],
  [VSUSP, SIGTSTP],
];

/** 0 as a control character means that there is none: _POSIX_VDISABLE in termios(3). */
const DISABLED = 0;

/** Reads what is typed as n_tty_receive_char_special() in drivers/tty/n_tty.c does. */
export class SignalKeys {
  /** The byte before was VLNEXT: the next one is taken literally. */
  #literal = false;

  /** The signal keys among `bytes`, which were typed after those of the last call, under `settings`. */
  find(bytes: Uint8Array, settings: Termios): SignalKey[] {
    const lflag = settings.get("c_lflag");
    const signals = new Map(
      (lflag & ISIG) === 0
        ? []
        : KEYS.map(([index, signal]) => [controlCharacter(settings, index), signal]),
    );
    signals.delete(DISABLED);
    const literalNext = (lflag & ICANON) !== 0 && (lflag & IEXTEN) !== 0
      ? controlCharacter(settings, VLNEXT)
      : DISABLED;

    const found: SignalKey[] = [];
    bytes.forEach((byte, index) => {
      const literal = this.#literal;
      this.#literal = false;
      if (literal) return;
      const signal = signals.get(byte);
      if (signal !== undefined) found.push({ index, signal });
      else this.#literal = byte === literalNext && literalNext !== DISABLED;
    });
    return found;
  }
}
