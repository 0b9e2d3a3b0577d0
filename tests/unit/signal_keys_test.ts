import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ECHO,
  ECHOCTL,
  EXTPROC,
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
} from "../../src/ffi/constants.ts";
import { termios2 } from "../../src/ffi/structs.ts";
import { echoOf, SignalKeys } from "../../src/tty/signal_keys.ts";
import { saneTermios, type Termios } from "../../src/tty/settings.ts";

/** `stty sane` without the modes `off`, and with other control characters. */
function settings(off = 0, characters: Readonly<Record<number, number>> = {}): Termios {
  const termios = saneTermios();
  termios.set("c_lflag", (termios.get("c_lflag") & ~off) >>> 0);
  for (const [index, character] of Object.entries(characters)) {
    termios.bytes[termios2.fields.c_cc[0] + Number(index)] = character;
  }
  return termios;
}

/** A program behind the master reads the keys, and not the line discipline. */
function reading(): Termios {
  const termios = settings();
  return termios.set("c_lflag", termios.get("c_lflag") | EXTPROC);
}

const bytes = (text: string) => new TextEncoder().encode(text);

/** What is found among `pieces`, typed one after the other: `index:signal`. */
function found(termios: Termios, ...pieces: string[]): string[] {
  const keys = new SignalKeys();
  keys.learn(termios);
  return pieces.map((piece) =>
    [...keys.find(bytes(piece))].map(({ index, signal }) => `${index}:${signal}`).join(" ")
  );
}

const INT = "\x03";
const QUIT = "\x1c";
const SUSP = "\x1a";
const LNEXT = "\x16";

describe("SignalKeys", () => {
  const table: [string, Termios, string[], string[]][] = [
    [
      "finds every key, by its place and signal",
      settings(),
      [`a${INT}b${QUIT}${SUSP}`],
      [`1:${SIGINT} 3:${SIGQUIT} 4:${SIGTSTP}`],
    ],
    ["finds nothing in other bytes, nor in none", settings(), ["abc\r\x04", ""], ["", ""]],
    ["finds nothing without ISIG", settings(ISIG), [INT + QUIT + SUSP], [""]],
    ["takes a key behind ^V literally", settings(), [LNEXT + SUSP + SUSP], [`2:${SIGTSTP}`]],
    [
      "remembers ^V from one read to the next, and no longer",
      settings(),
      [`a${LNEXT}`, SUSP, SUSP],
      ["", "", `0:${SIGTSTP}`],
    ],
    ["keeps ^V over a read of nothing", settings(), [LNEXT, "", SUSP], ["", "", ""]],
    ["takes a ^V behind ^V literally", settings(), [LNEXT + LNEXT + SUSP], [`2:${SIGTSTP}`]],
    ["knows no ^V without ICANON", settings(ICANON), [LNEXT + SUSP], [`1:${SIGTSTP}`]],
    ["knows no ^V without IEXTEN", settings(IEXTEN), [LNEXT + SUSP], [`1:${SIGTSTP}`]],
    [
      "finds keys at their new characters, and not at the old ones",
      settings(0, { [VSUSP]: 0x19, [VINTR]: 0x61 }),
      [`${SUSP}${INT}\x19a`],
      [`2:${SIGTSTP} 3:${SIGINT}`],
    ],
    [
      "finds no key that is disabled, also not by a typed NUL",
      settings(0, { [VSUSP]: 0, [VQUIT]: 0, [VLNEXT]: 0 }),
      [`\0${SUSP}\0${INT}`],
      [`3:${SIGINT}`],
    ],
    [
      "prefers SIGINT, then SIGQUIT, for one character of several keys, as the kernel does",
      settings(0, { [VINTR]: 0x19, [VQUIT]: 0x19, [VSUSP]: 0x19 }),
      ["\x19"],
      [`0:${SIGINT}`],
    ],
    [
      "asks for ^S and ^Q before a signal key, as the kernel does",
      settings(0, { [VINTR]: 0x13, [VQUIT]: 0x11 }),
      [`\x13\x11${SUSP}`],
      [`2:${SIGTSTP}`],
    ],
    ["knows no key where another program reads the keys", reading(), [INT + QUIT + SUSP], [""]],
    [
      "asks for a signal key before ^V, as the kernel does",
      settings(0, { [VLNEXT]: 0x1a }),
      [SUSP + SUSP],
      [`0:${SIGTSTP} 1:${SIGTSTP}`],
    ],
  ];
  for (const [what, termios, typed, wanted] of table) {
    it(what, () => assertEquals(found(termios, ...typed), wanted));
  }

  it("knows no key before it has learned any, and forgets earlier keys", () => {
    const keys = new SignalKeys();
    assertEquals([...keys.find(bytes(SUSP))], []);
    keys.learn(settings());
    assertEquals([...keys.find(bytes(SUSP))], [{ index: 0, key: 0x1a, signal: SIGTSTP }]);
    keys.learn(settings(ISIG));
    assertEquals([...keys.find(bytes(SUSP))], []);
  });

  it("goes on after the last key that was asked for", () => {
    const keys = new SignalKeys();
    keys.learn(settings());
    const [first] = keys.find(bytes(INT + LNEXT));
    assertEquals(first, { index: 0, key: 0x03, signal: SIGINT });
    assertEquals([...keys.find(bytes(LNEXT + INT + SUSP))], [{
      index: 2,
      key: 0x1a,
      signal: SIGTSTP,
    }]);
  });
});

describe("echoOf", () => {
  const table: [string, Termios, number, string][] = [
    ["a control character in two", settings(), 0x03, "^C"],
    ["DEL likewise", settings(), 0x7f, "^?"],
    ["a tab as it is", settings(), 0x09, "\t"],
    ["a letter as it is", settings(), 0x61, "a"],
    ["a control character as it is without ECHOCTL", settings(ECHOCTL), 0x03, "\x03"],
    ["nothing without ECHO", settings(ECHO), 0x03, ""],
  ];
  for (const [what, termios, key, echo] of table) {
    it(what, () => assertEquals(echoOf(key, termios), bytes(echo)));
  }
});
