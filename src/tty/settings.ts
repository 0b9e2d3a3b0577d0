/** Terminal settings as data: termios(3), in the kernel's own structure. Pure. */
import {
  B38400,
  BRKINT,
  CREAD,
  CS8,
  CSIZE,
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOK,
  ECHOKE,
  ECHONL,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNBRK,
  IGNCR,
  IMAXBEL,
  INLCR,
  ISIG,
  ISTRIP,
  IUTF8,
  IXON,
  ONLCR,
  OPOST,
  PARENB,
  PARMRK,
  VDISCARD,
  VEOF,
  VERASE,
  VINTR,
  VKILL,
  VLNEXT,
  VMIN,
  VQUIT,
  VREPRINT,
  VSTART,
  VSTOP,
  VSUSP,
  VTIME,
  VWERASE,
} from "../ffi/constants.ts";
import { termios2 } from "../ffi/structs.ts";
import { Struct } from "../struct.ts";

export type Termios = Struct<typeof termios2.fields>;

const CC = termios2.fields.c_cc[0];

/** One of the control characters, VINTR and so on; 0 when it is disabled. */
export function controlCharacter(settings: Termios, index: number): number {
  return settings.bytes[CC + index] ?? 0;
}

function copyOf(settings: Termios): Termios {
  return new Struct(termios2, settings.bytes.slice());
}

/** `settings` without echo, and without a carriage return in front of each newline that is written. */
export function plainTermios(
  settings: Termios,
  { noEcho, noReturns }: { readonly noEcho: boolean; readonly noReturns: boolean },
): Termios {
  const plain = copyOf(settings);
  const [lflag, oflag] = [noEcho ? ECHO | ECHONL : 0, noReturns ? ONLCR : 0];
  plain.set("c_lflag", (plain.get("c_lflag") & ~lflag) >>> 0);
  plain.set("c_oflag", (plain.get("c_oflag") & ~oflag) >>> 0);
  return plain;
}

/**
 * `settings` changed so that every byte passes unseen in both directions: cfmakeraw(3). With `inputOnly`, so that it
 * does when typed.
 */
export function rawTermios(settings: Termios, inputOnly = false): Termios {
  const raw = copyOf(settings);
  const iflag = IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON;
  const lflag = ECHO | ECHONL | ICANON | ISIG | IEXTEN;
  raw.set("c_iflag", (raw.get("c_iflag") & ~iflag) >>> 0);
  if (!inputOnly) raw.set("c_oflag", (raw.get("c_oflag") & ~OPOST) >>> 0);
  raw.set("c_lflag", (raw.get("c_lflag") & ~lflag) >>> 0);
  raw.set("c_cflag", ((raw.get("c_cflag") & ~(CSIZE | PARENB)) | CS8) >>> 0);
  raw.bytes[CC + VMIN] = 1;
  raw.bytes[CC + VTIME] = 0;
  return raw;
}

const CONTROL_CHARACTERS: readonly (readonly [number, number])[] = [
  [VINTR, 0x03], // ^C
  [VQUIT, 0x1c], // ^\
  [VERASE, 0x7f],
  [VKILL, 0x15], // ^U
  [VEOF, 0x04], // ^D
  [VMIN, 1],
  [VSTART, 0x11], // ^Q
  [VSTOP, 0x13], // ^S
  [VSUSP, 0x1a], // ^Z
  [VREPRINT, 0x12], // ^R
  [VDISCARD, 0x0f], // ^O
  [VWERASE, 0x17], // ^W
  [VLNEXT, 0x16], // ^V
];

/** What `stty sane` gives: line editing, echo, signals from the keyboard. */
export function saneTermios(): Termios {
  const sane: Termios = new Struct(termios2)
    .set("c_iflag", BRKINT | ICRNL | IXON | IMAXBEL | IUTF8)
    .set("c_oflag", OPOST | ONLCR)
    .set("c_cflag", CS8 | CREAD | B38400)
    .set("c_lflag", ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE)
    .set("c_ispeed", 38400)
    .set("c_ospeed", 38400);
  for (const [index, character] of CONTROL_CHARACTERS) sane.bytes[CC + index] = character;
  return sane;
}
