/**
 * What the bytes that go to a terminal have set there and not taken back: ECMA-48, xterm's control sequences,
 * ctlseqs(7). Pure: bytes in, sequences out.
 */
import { ALL_FLAGS, HIGHEST_STACK, type KeyboardFlags, popped, pushed } from "./keyboard_flags.ts";
import { ALTERNATE_SCREENS, PRIVATE_MODES, privateMode } from "./private_modes.ts";
import { rendered, type Rendition } from "./rendition.ts";

const BEL = 0x07;
const ESC = 0x1b;

/** Nothing that is kept track of is longer; what is, such as a colour list, sets nothing of interest. */
const LONGEST_SEQUENCE = 64;

/** No place where a sequence ends. */
const CUT = -1;

/** So far it is cheaper to look byte by byte than to call for it. */
const NEAR = 24;

function nextEscape(bytes: Uint8Array, from: number): number {
  const near = Math.min(from + NEAR, bytes.length);
  for (let at = from; at < near; at++) {
    if (bytes[at] === ESC) return at;
  }
  return near === bytes.length ? -1 : bytes.indexOf(ESC, near);
}

export class ScreenModes {
  /** A sequence that the last bytes began. */
  #begun: Uint8Array = new Uint8Array(0);
  /** Within an operating system command or another string, which BEL or ST ends. */
  #inString = false;
  /** Those that are not as a prompt expects them, in the order in which they were set. */
  #modes = new Map<number, boolean>();
  #keypad = false;
  #insert = false;
  #region = false;
  #rendition: Rendition = 0;
  /** `CSI N SP q`, DECSCUSR; 0 is the terminal's own. */
  #cursorStyle = 0;
  /** What comes between `CSI > 4` and `m`: xterm's modifyOtherKeys. */
  #modifiedKeys = "";
  /** For `ESC (` and `ESC )`. */
  #charsets = ["B", "B"];
  #mainKeyboard: KeyboardFlags = [0];
  #alternateKeyboard: KeyboardFlags = [0];

  /** Take in what the terminal is given next. */
  feed(bytes: Uint8Array): void {
    if (this.#begun.length > 0) bytes = this.#joined(bytes);
    let before = 0;
    for (let at = nextEscape(bytes, 0); at >= 0; at = nextEscape(bytes, before)) {
      if (this.#inString && bytes.subarray(before, at).includes(BEL)) this.#inString = false;
      const end = this.#sequence(bytes, at);
      if (end === CUT) {
        this.#begun = bytes.slice(at);
        return;
      }
      before = end;
    }
    if (this.#inString && bytes.indexOf(BEL, before) >= 0) this.#inString = false;
  }

  /** What puts the terminal right for a shell's prompt; empty when nothing has to be. */
  get reset(): string {
    const alternate = this.#alternate;
    const reset: string[] = [];
    // CAN and ST: neither half a sequence nor half a string swallows what follows.
    if (this.#begun.length > 0 || this.#inString) reset.push("\x18\x1b\\");
    // DECSTBM moves the cursor, and `CSI ? 1049 l` puts it back where it was before.
    if (this.#region) reset.push(alternate === 1049 ? "\x1b[r" : "\x1b7\x1b[r\x1b8");
    if (alternate !== undefined) reset.push(popped(this.#alternateKeyboard));
    for (const [mode, on] of [...this.#modes].reverse()) {
      if (mode !== alternate) reset.push(privateMode(mode, !on));
    }
    if (this.#keypad) reset.push("\x1b>");
    if (this.#insert) reset.push("\x1b[4l");
    if (this.#modifiedKeys !== "") reset.push("\x1b[>4m");
    if (this.#cursorStyle !== 0) reset.push("\x1b[0 q");
    if (alternate !== undefined) reset.push(privateMode(alternate, false));
    reset.push(popped(this.#mainKeyboard));
    // Last: with its place the cursor's attributes and character sets come back too.
    if (this.#charsets[0] !== "B") reset.push("\x1b(B");
    if (this.#charsets[1] !== "B") reset.push("\x0f\x1b)B");
    if (this.#rendition !== 0) reset.push("\x1b[m");
    return reset.join("");
  }

  /**
   * What sets after {@linkcode reset} what was set before, for a program that goes on and paints its screen again. Not
   * the scrolling region and the attributes, which belong to the moment of painting.
   */
  get again(): string {
    const alternate = this.#alternate;
    const again = [pushed(this.#mainKeyboard)];
    if (alternate !== undefined) {
      again.push(privateMode(alternate, true), pushed(this.#alternateKeyboard));
    }
    for (const [mode, on] of this.#modes) {
      if (mode !== alternate) again.push(privateMode(mode, on));
    }
    if (this.#keypad) again.push("\x1b=");
    if (this.#insert) again.push("\x1b[4h");
    if (this.#modifiedKeys !== "") again.push(`\x1b[>4${this.#modifiedKeys}m`);
    if (this.#cursorStyle !== 0) again.push(`\x1b[${this.#cursorStyle} q`);
    if (this.#charsets[0] !== "B") again.push(`\x1b(${this.#charsets[0]}`);
    if (this.#charsets[1] !== "B") again.push(`\x1b)${this.#charsets[1]}`);
    return again.join("");
  }

  /** The mode by which the alternate screen is shown. */
  get #alternate(): number | undefined {
    return ALTERNATE_SCREENS.find((mode) => this.#modes.has(mode));
  }

  #joined(bytes: Uint8Array): Uint8Array {
    const joined = new Uint8Array(this.#begun.length + bytes.length);
    joined.set(this.#begun);
    joined.set(bytes, this.#begun.length);
    this.#begun = new Uint8Array(0);
    return joined;
  }

  /** Act upon the sequence at `at`. Where it ends; {@linkcode CUT} when more has to come. */
  #sequence(bytes: Uint8Array, at: number): number {
    const kind = bytes[at + 1];
    if (kind === undefined) return CUT;
    const end = at + 2;
    if (kind === 0x28 || kind === 0x29) { // ( and )
      const charset = bytes[end];
      if (charset === undefined) return CUT;
      this.#inString = false;
      if (charset < 0x30 || charset > 0x7e) return end; // it breaks off, or takes more than one character
      this.#charsets[kind - 0x28] = String.fromCharCode(charset);
      return end + 1;
    }
    // ESC ends a string, be it as the first byte of ST or not.
    this.#inString = false;
    switch (kind) {
      case ESC:
        return at + 1;
      case 0x5b: // [
        return this.#controlSequence(bytes, end);
      case 0x3d: // =
        this.#keypad = true;
        break;
      case 0x3e: // >
        this.#keypad = false;
        break;
      case 0x63: // c: RIS
        this.#begin();
        break;
      case 0x5d: // ]
      case 0x50: // P
      case 0x58: // X
      case 0x5e: // ^
      case 0x5f: // _
        this.#inString = true;
        break;
    }
    return end;
  }

  /** `CSI`, parameters and intermediates (0x20 to 0x3f), final byte: ECMA-48, 5.4. */
  #controlSequence(bytes: Uint8Array, start: number): number {
    let end = start;
    let final = bytes[end];
    while (final !== undefined && final >= 0x20 && final < 0x40) final = bytes[++end];
    if (end - start > LONGEST_SEQUENCE) return end;
    if (final === undefined) return CUT;
    // The next sequence begins where one breaks off.
    if (final < 0x40) return end;
    switch (final) {
      case 0x6d: // m
        this.#select(bytes, start, end);
        break;
      case 0x68: // h
      case 0x6c: // l
        this.#switch(text(bytes, start, end), final === 0x68);
        break;
      case 0x70: // p
        if (text(bytes, start, end) === "!") this.#softReset();
        break;
      case 0x71: // q
        this.#style(text(bytes, start, end));
        break;
      case 0x72: { // r
        const margins = text(bytes, start, end);
        if (/^[\d;]*$/.test(margins)) this.#region = /[1-9]/.test(margins);
        break;
      }
      case 0x75: // u
        this.#keyboard(text(bytes, start, end));
        break;
    }
    return end + 1;
  }

  /** SGR, and xterm's resources for keys. */
  #select(bytes: Uint8Array, start: number, end: number): void {
    const marker = bytes[start] ?? 0;
    if (marker === 0x3e) { // >
      const [resource, ...value] = text(bytes, start + 1, end).split(";");
      const keys = value.join(";");
      if (resource === "4") this.#modifiedKeys = /[1-9]/.test(keys) ? `;${keys}` : "";
    } else if (start === end || marker <= 0x3b) {
      this.#rendition = rendered(this.#rendition, bytes, start, end);
    }
  }

  #switch(parameters: string, on: boolean): void {
    if (parameters === "4") this.#insert = on; // IRM
    if (!parameters.startsWith("?")) return;
    for (const mode of parameters.slice(1).split(";").map(Number)) {
      const normal = PRIVATE_MODES.get(mode);
      if (normal === undefined) continue;
      if (ALTERNATE_SCREENS.includes(mode)) {
        // There is one, whichever number shows it. It begins with no keyboard flags.
        if (on && this.#alternate !== undefined) continue;
        ALTERNATE_SCREENS.forEach((other) => this.#modes.delete(other));
        this.#alternateKeyboard = [0];
      }
      this.#modes.delete(mode);
      if (on !== normal) this.#modes.set(mode, on);
    }
  }

  #style(parameters: string): void {
    const style = /^(\d*) $/.exec(parameters);
    if (style !== null) this.#cursorStyle = Number(style[1]) & ALL_FLAGS;
  }

  #keyboard(parameters: string): void {
    const found = /^([<=>])(\d*)(?:;(\d*))?$/.exec(parameters);
    if (found === null) return;
    const [, marker, first = "", second = ""] = found;
    const stack = this.#alternate === undefined ? this.#mainKeyboard : this.#alternateKeyboard;
    const count = Number(first);
    const flags = count & ALL_FLAGS;
    const top = stack.length - 1;
    switch (marker) {
      case ">":
        stack.push(flags);
        if (stack.length > HIGHEST_STACK) stack.splice(1, 1);
        break;
      case "<":
        stack.splice(Math.max(1, stack.length - Math.max(1, count)));
        break;
      case "=":
        if (second === "2") stack[top] = (stack[top] ?? 0) | flags;
        else if (second === "3") stack[top] = (stack[top] ?? 0) & ~flags;
        else stack[top] = flags;
        break;
    }
  }

  /** DECSTR. */
  #softReset(): void {
    for (const mode of [1, 7, 25, 66]) this.#modes.delete(mode);
    this.#keypad = this.#insert = this.#region = false;
    this.#rendition = 0;
    this.#charsets = ["B", "B"];
  }

  #begin(): void {
    this.#softReset();
    this.#modes.clear();
    this.#cursorStyle = 0;
    this.#modifiedKeys = "";
    this.#mainKeyboard = [0];
    this.#alternateKeyboard = [0];
  }
}

function text(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (const byte of bytes.subarray(start, end)) text += String.fromCharCode(byte);
  return text;
}
