/** Text for a program that reads lines from a terminal, none of it too long for the line editor. Pure. */
import {
  ICANON,
  ICRNL,
  IEXTEN,
  IGNCR,
  INLCR,
  ISIG,
  NOFLSH,
  PARMRK,
  VEOF,
  VEOL,
  VEOL2,
  VERASE,
  VINTR,
  VKILL,
  VLNEXT,
  VQUIT,
  VSUSP,
} from "../ffi/constants.ts";
import { controlCharacter, type Termios } from "./settings.ts";

/**
 * In canonical mode the kernel keeps this many bytes of a line and throws away what comes behind them, until a
 * newline does: n_tty_receive_buf_common() in drivers/tty/n_tty.c, N_TTY_BUF_SIZE. With PARMRK, where a byte
 * may take three, a third of that.
 */
export const LINE_ROOM = 4095;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** 0 as a control character means that there is none: _POSIX_VDISABLE in termios(3). */
const DISABLED = 0;

/**
 * Knows how long the line is that has been typed and not ended. VEOF behind an unfinished line hands that to the
 * reader and adds nothing: so one wherever a line is about to exceed its room keeps the line whole.
 *
 * Erasing (VERASE) is taken to remove one byte; a text that is typed by a program has no reason to hold any.
 */
export class LineLimit {
  #length = 0;
  /** The byte before was VLNEXT: the next one is taken literally. */
  #literal = false;

  /** Whether the line editor keeps the beginning of a line from its reader. */
  get isUnfinished(): boolean {
    return this.#length > 0;
  }

  /** VEOF was typed. */
  finish(): void {
    this.#length = 0;
  }

  /** `text`, which is typed under `settings` behind that of the last call, with VEOF where it is needed. */
  fit(text: Uint8Array<ArrayBuffer>, settings: Termios): Uint8Array<ArrayBuffer> {
    if ((settings.get("c_lflag") & ICANON) === 0) {
      this.#length = 0;
      this.#literal = false;
      return text;
    }
    const eof = controlCharacter(settings, VEOF);
    const room = (settings.get("c_iflag") & PARMRK) === 0 ? LINE_ROOM : Math.floor(LINE_ROOM / 3);
    const effectOf = effects(settings);
    const pieces: Uint8Array[] = [];
    let start = 0;
    for (const [index, byte] of text.entries()) {
      const effect = this.#literal ? "add" : effectOf[byte];
      this.#literal = effect === "quote";
      if (effect === "end") this.#length = 0;
      else if (effect === "erase") this.#length = Math.max(0, this.#length - 1);
      else if (effect === undefined || effect === "add") {
        if (this.#length >= room && eof !== DISABLED) {
          pieces.push(text.subarray(start, index), Uint8Array.of(eof));
          start = index;
          this.#length = 0;
        }
        this.#length++;
      }
    }
    if (pieces.length === 0) return text;
    pieces.push(text.subarray(start));
    return joined(pieces);
  }
}

/** The most bytes that {@linkcode LineLimit.fit} makes of `count`. */
export function fittedLength(count: number): number {
  return count + Math.ceil(count / Math.floor(LINE_ROOM / 3));
}

type Effect = "end" | "erase" | "quote" | "ignore" | "add";

/** What each byte does to the line, if not adding itself to it: n_tty_receive_char_special(). */
function effects(settings: Termios): (Effect | undefined)[] {
  const [iflag, lflag] = [settings.get("c_iflag"), settings.get("c_lflag")];
  const table: (Effect | undefined)[] = [];
  const set = (place: number, effect: Effect) => {
    const character = controlCharacter(settings, place);
    if (character !== DISABLED) table[character] = effect;
  };
  if ((iflag & INLCR) === 0) table[LINE_FEED] = "end";
  if ((iflag & IGNCR) !== 0) table[CARRIAGE_RETURN] = "ignore";
  else if ((iflag & ICRNL) !== 0) table[CARRIAGE_RETURN] = "end";
  for (const place of [VEOF, VEOL]) set(place, "end");
  set(VERASE, "erase");
  set(VKILL, "end");
  if ((lflag & IEXTEN) !== 0) {
    set(VEOL2, "end");
    set(VLNEXT, "quote");
  }
  if ((lflag & ISIG) !== 0) {
    // A key that means a signal also discards what was typed before it: isig().
    const effect = (lflag & NOFLSH) === 0 ? "end" : "ignore";
    for (const place of [VINTR, VQUIT, VSUSP]) set(place, effect);
  }
  return table;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
