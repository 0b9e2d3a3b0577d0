/** Which of the bytes typed at a terminal are keys that the kernel turns into signals. Pure. */
import {
  ECHO,
  ECHOCTL,
  EXTPROC,
  ICANON,
  IEXTEN,
  ISIG,
  IXON,
  SIGINT,
  SIGQUIT,
  SIGTSTP,
  VINTR,
  VLNEXT,
  VQUIT,
  VSTART,
  VSTOP,
  VSUSP,
} from "../ffi/constants.ts";
import { controlCharacter, type Termios } from "./settings.ts";

/** A key that means a signal: its byte, and the place of that among the bytes. */
export interface SignalKey {
  readonly index: number;
  readonly key: number;
  readonly signal: number;
}

/** Of one character that is several keys the last one counts. */
const KEYS: readonly (readonly [number, number])[] = [
  [VSUSP, SIGTSTP],
  [VQUIT, SIGQUIT],
  [VINTR, SIGINT],
];

/** 0 as a control character means that there is none: _POSIX_VDISABLE in termios(3). */
const DISABLED = 0;

/** In place of a signal: the next byte is taken literally. */
const LITERAL_NEXT = -1;

/** Reads what is typed as n_tty_receive_char_special() in drivers/tty/n_tty.c does. */
export class SignalKeys {
  /** By byte: a signal, LITERAL_NEXT or 0. Looked up for each key that is typed, so it is laid out for that. */
  readonly #meanings = new Int8Array(256);
  /** The byte before was VLNEXT. */
  #isLiteral = false;

  /** From now on what is typed is read under `settings`. */
  learn(settings: Termios): void {
    const lflag = settings.get("c_lflag");
    const has = (flags: number) => (lflag & flags) === flags;
    this.#meanings.fill(0);
    if (has(ICANON | IEXTEN)) {
      this.#meanings[controlCharacter(settings, VLNEXT)] = LITERAL_NEXT;
    }
    if (has(ISIG)) {
      for (const [place, signal] of KEYS) {
        this.#meanings[controlCharacter(settings, place)] = signal;
      }
    }
    // The kernel asks for the keys of flow control first.
    if ((settings.get("c_iflag") & IXON) !== 0) {
      for (const place of [VSTART, VSTOP]) this.#meanings[controlCharacter(settings, place)] = 0;
    }
    // Another program reads the keys: the one behind the master, as telnetd does.
    if (has(EXTPROC)) this.#meanings.fill(0);
    this.#meanings[DISABLED] = 0;
  }

  /**
   * The signal keys among `bytes`, which were typed after those of the last call: after the last key that was asked
   * for, where not all were.
   */
  *find(bytes: Uint8Array): Generator<SignalKey, undefined> {
    for (const [index, key] of bytes.entries()) {
      const meaning = this.#isLiteral ? 0 : this.#meanings[key] ?? 0;
      this.#isLiteral = meaning === LITERAL_NEXT;
      if (meaning > 0) yield { index, key, signal: meaning };
    }
  }
}

const CARET = 0x5e;
const TAB = 0x09;

/** What the line discipline echoes for `key` under `settings`: echo_char(). */
export function echoOf(key: number, settings: Termios): Uint8Array<ArrayBuffer> {
  const lflag = settings.get("c_lflag");
  if ((lflag & ECHO) === 0) return new Uint8Array(0);
  const isControl = key < 0x20 || key === 0x7f;
  return (lflag & ECHOCTL) !== 0 && isControl && key !== TAB
    ? Uint8Array.of(CARET, key ^ 0x40)
    : Uint8Array.of(key);
}
