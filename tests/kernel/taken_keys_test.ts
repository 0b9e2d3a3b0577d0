/** What TakenKeys does for a key, beside what the line discipline does for it. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ECHO,
  ECHOCTL,
  ICANON,
  IXON,
  NOFLSH,
  O_NONBLOCK,
  O_WRONLY,
  POLLIN,
  VINTR,
} from "../../src/ffi/constants.ts";
import { close, PollSet, read, write } from "../../src/ffi/descriptor.ts";
import { libc } from "../../src/ffi/libc.ts";
import { termios2 } from "../../src/ffi/structs.ts";
import { Pty } from "../../src/tty/pty.ts";
import { saneTermios, type Termios } from "../../src/tty/settings.ts";
import { TakenKeys } from "../../src/tty/taken_keys.ts";
import { getTermios, setTermios } from "../../src/tty/termios.ts";

// Never closed: the sanitizer of whichever test came first would call it a leak.
libc();

const bytes = (text: string) => new TextEncoder().encode(text);
const INT = 0x03;

/** `stty sane` with `change`. */
function settings(change: (termios: Termios) => void = () => {}): Termios {
  const termios = saneTermios();
  change(termios);
  return termios;
}

function lflag(on: number, off = 0) {
  return (termios: Termios) => {
    termios.set("c_lflag", ((termios.get("c_lflag") | on) & ~off) >>> 0);
  };
}

/** All that can be read now; of a master, what is on its way, too. */
function readAll(fd: number): string {
  let all = "";
  const buffer = new Uint8Array(4096);
  for (;;) {
    const count = read(fd, buffer);
    if (count <= 0) return all;
    all += String.fromCharCode(...buffer.subarray(0, count));
  }
}

/** The line discipline has taken what was typed; of unended lines only. */
function type(pty: Pty, text: string | Uint8Array<ArrayBuffer>): void {
  const typed = typeof text === "string" ? bytes(text) : text;
  assertEquals(write(pty.master, typed), typed.length);
  pty.hasUnread();
}

/** By the line discipline, which signals nobody: no session has this terminal. */
function byKernel(pty: Pty, key: number): void {
  type(pty, Uint8Array.of(key));
  // Where something can be read hasUnread() waits for nothing: the echo tells.
  if ((getTermios(pty.master).get("c_lflag") & ECHO) === 0) return;
  const set = new PollSet(1);
  set.watch(0, pty.master, POLLIN);
  assertEquals(set.poll(10_000), 1);
}

function byUs(pty: Pty, key: number): void {
  new TakenKeys(pty).take(key);
}

const WAYS = [byKernel, byUs];

/** What both ways lead to, each on a terminal of its own. */
function assertSame(termios: Termios, what: (pty: Pty, press: typeof byUs) => string): string {
  const [kernel, ours] = WAYS.map((press) => {
    using pty = Pty.open();
    setTermios(pty.slave, termios);
    return what(pty, press);
  });
  assertEquals(ours, kernel);
  return ours!;
}

describe("TakenKeys does as the line discipline", () => {
  const TABLE: [string, Termios, number][] = [
    ["with sane settings", settings(), INT],
    ["that keeps what is typed", settings(lflag(NOFLSH)), INT],
    ["that does not echo", settings(lflag(0, ECHO)), INT],
    ["that echoes a control key as it is", settings(lflag(0, ECHOCTL)), INT],
    ["that edits no lines", settings(lflag(0, ICANON)), INT],
    ...[0x61, 0x09, 0x0a, 0x7f, 0x9b, 0xff].map((key): [string, Termios, number] => [
      `for key ${key}`,
      settings((termios) => termios.bytes[termios2.fields.c_cc[0] + VINTR] = key),
      key,
    ]),
  ];
  for (const [what, termios, key] of TABLE) {
    it(what, () => {
      const shown = assertSame(termios, (pty, press) => {
        type(pty, "before");
        readAll(pty.master);
        press(pty, key);
        const echo = readAll(pty.master);
        // The key may be a newline; VEOF ends a line as well.
        type(pty, "behind\x04");
        const slave = pty.openSlave(O_NONBLOCK);
        const line = readAll(slave);
        close(slave);
        return JSON.stringify({ echo, line });
      });
      const end = (termios.get("c_lflag") & ICANON) === 0 ? "\x04" : "";
      const keeps = (termios.get("c_lflag") & NOFLSH) !== 0;
      assertEquals(JSON.parse(shown).line, keeps ? "beforebehind" : `behind${end}`);
    });
  }

  for (const ixon of [true, false]) {
    it(ixon ? "starts an output that ^S has stopped" : "starts no output without IXON", () => {
      const shown = assertSame(settings(), (pty, press) => {
        type(pty, "\x13");
        const slave = pty.openSlave(O_WRONLY | O_NONBLOCK);
        assert(write(slave, bytes("stopped")) < 0);
        if (!ixon) {
          // Turned off it would start the output, were it not for TCOOFF.
          setTermios(
            pty.slave,
            settings((termios) => {
              termios.set("c_iflag", (termios.get("c_iflag") & ~IXON) >>> 0);
            }),
          );
          type(pty, "\x13");
        }
        press(pty, INT);
        const count = write(slave, bytes("on"));
        close(slave);
        return `${count} ${JSON.stringify(readAll(pty.master))}`;
      });
      assert(shown.startsWith("2 "), shown);
    });
  }

  it("discards an output that nobody reads", () => {
    for (const press of WAYS) {
      using pty = Pty.open();
      const slave = pty.openSlave(O_WRONLY | O_NONBLOCK);
      const line = bytes("y\n".repeat(2048));
      let written = 0;
      for (let count = 1; count > 0; written += Math.max(count, 0)) count = write(slave, line);
      assert(written > 2 * 4096, String(written));
      press(pty, INT);
      close(slave);
      const shown = readAll(pty.master);
      assert(shown.endsWith("^C"), shown.slice(-20));
      // What the master's own line discipline holds.
      assert(shown.length <= 4096 + 2, `${press.name} ${shown.length} of ${written}`);
    }
  });
});

describe("TakenKeys", () => {
  it("echoes later when the terminal has no room", () => {
    using pty = Pty.open();
    setTermios(pty.slave, settings(lflag(NOFLSH)));
    const slave = pty.openSlave(O_WRONLY | O_NONBLOCK);
    while (write(slave, bytes("y".repeat(4096))) > 0);
    close(slave);
    const keys = new TakenKeys(pty);
    keys.take(INT);
    keys.take(INT);
    keys.retryEcho();
    assert(!readAll(pty.master).includes("^"));
    keys.retryEcho();
    keys.retryEcho();
    assertEquals(readAll(pty.master), "^C^C");
  });
});
