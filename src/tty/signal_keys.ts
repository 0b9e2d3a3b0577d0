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
import { controlCharacter, type Termios } from "./settings.ts";

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
    const literalNext = (lflag & ICANON) !== 0 && (lflag & IEXTEN) !== 0
      ? controlCharacter(settings, VLNEXT)
      : DISABLED;

    const found: SignalKey[] = [];
    for (let index = 0; index < bytes.length; index++) {
      const byte = bytes[index]!;
      if (this.#literal || byte === DISABLED) {
        this.#literal = false;
        continue;
      }
      const key = (lflag & ISIG) === 0
        ? undefined
        : KEYS.find(([place]) => controlCharacter(settings, place) === byte);
      if (key !== undefined) found.push({ index, signal: key[1] });
      else this.#literal = byte === literalNext;
    }
    return found;
  }
}
