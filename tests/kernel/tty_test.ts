import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RefusedError, SyscallError } from "../../src/errors.ts";
import {
  ECHO,
  F_GETFL,
  F_SETFL,
  ICANON,
  O_ACCMODE,
  O_APPEND,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  ONLCR,
  OPOST,
  SIGWINCH,
} from "../../src/ffi/constants.ts";
import { close, fcntl, open, pipe, read, write } from "../../src/ffi/descriptor.ts";
import { ERRNO } from "../../src/ffi/errno.ts";
import { winsize } from "../../src/ffi/structs.ts";
import { Struct } from "../../src/struct.ts";
import { Channel } from "../../src/tty/channel.ts";
import { Pty } from "../../src/tty/pty.ts";
import { RawMode } from "../../src/tty/raw_mode.ts";
import { rawTermios, saneTermios } from "../../src/tty/settings.ts";
import { getTermios, setTermios } from "../../src/tty/termios.ts";
import { getWindowSize, oneRowOff, setWindowSize } from "../../src/tty/window_size.ts";
import { requiresCompiler } from "../support/programs.ts";
import { Terminal } from "../support/terminal.ts";
import { startVictim } from "../support/victim.ts";

function size(rows: number, columns: number) {
  return new Struct(winsize).set("ws_row", rows).set("ws_col", columns);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** All that can be read now. */
function readAll(fd: number): string {
  let all = "";
  const buffer = new Uint8Array(4096);
  for (;;) {
    const count = read(fd, buffer);
    if (count <= 0) return all;
    all += text(buffer.subarray(0, count));
  }
}

const bytes = (string: string) => new TextEncoder().encode(string);

describe("Pty", () => {
  it("is a terminal with two ends and a name", () => {
    using pty = Pty.open();
    assertEquals(pty.name, `/dev/pts/${pty.index}`);
    assertEquals(Deno.statSync(pty.name).isCharDevice, true);
    assertEquals(Deno.readLinkSync(`/proc/self/fd/${pty.slave}`), pty.name);
    const line = bytes("a line\n");
    assertEquals(write(pty.master, line), line.length);
    assertEquals(read(pty.slave, new Uint8Array(100)), line.length);
    assertEquals(readAll(pty.master), "a line\r\n"); // the echo
    assertEquals(read(pty.master, new Uint8Array(1)), -ERRNO.EAGAIN);
  });

  it("opens further descriptions of its slave on demand", () => {
    using pty = Pty.open();
    for (const flags of [O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_NONBLOCK, O_WRONLY | O_APPEND]) {
      const slave = pty.openSlave(flags);
      assertEquals(fcntl(slave, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND), flags);
      assertEquals(Deno.readLinkSync(`/proc/self/fd/${slave}`), pty.name);
      fcntl(slave, F_SETFL, O_NONBLOCK);
      close(slave);
    }
    assertEquals(fcntl(pty.slave, F_GETFL) & O_NONBLOCK, 0);
  });

  it("hangs up its programs when it is disposed of", () => {
    const pty = Pty.open();
    const slave = open(pty.name, O_RDWR | O_NONBLOCK | 0o400);
    pty[Symbol.dispose]();
    assertEquals(read(slave, new Uint8Array(1)), 0);
    assertThrows(() => getTermios(slave), SyscallError, "EIO");
    close(slave);
  });

  it("says that it needs /dev/ptmx", () => {
    // No descriptor is free: what a system without ptys says looks the same to the program.
    const taken: number[] = [];
    try {
      for (;;) taken.push(open("/dev/null", O_RDONLY));
    } catch {
      assertThrows(() => Pty.open(), RefusedError, "Cannot make a new terminal");
    } finally {
      for (const fd of taken) close(fd);
    }
  });
});

describe("termios", () => {
  it("can be copied from one terminal to another", () => {
    using from = Pty.open();
    using to = Pty.open();
    const settings = getTermios(from.slave);
    settings.set("c_lflag", settings.get("c_lflag") & ~ECHO);
    settings.bytes[17] = 0x18; // VINTR is ^X
    setTermios(from.slave, settings);
    setTermios(to.master, getTermios(from.slave));
    assertEquals(getTermios(to.slave).bytes, settings.bytes);
  });

  it("in raw mode pass every byte in both directions", () => {
    using pty = Pty.open();
    setTermios(pty.slave, rawTermios(getTermios(pty.slave)));
    const all = Uint8Array.from({ length: 256 }, (_, index) => index);
    assertEquals(write(pty.master, all), 256);
    const got = new Uint8Array(300);
    assertEquals(read(pty.slave, got), 256);
    assertEquals(got.subarray(0, 256), all);
    assertEquals(write(pty.slave, all), 256);
    assertEquals(read(pty.master, got), 256);
    assertEquals(got.subarray(0, 256), all);
  });

  it("that are sane are those of `stty sane`", () => {
    using terminal = Terminal.start(["cat"]);
    setTermios(terminal.master, saneTermios());
    const flags = getTermios(terminal.master);
    assert((flags.get("c_lflag") & (ICANON | ECHO)) === (ICANON | ECHO));
    assert((flags.get("c_oflag") & (OPOST | ONLCR)) === (OPOST | ONLCR));
    const spoken = (args: string[]) =>
      text(
        new Deno.Command("stty", { args: ["-F", terminal.device, ...args] }).outputSync().stdout,
      );
    const ours = spoken(["-a"]);
    // stty leaves iutf8 as it is; a terminal emulator of today sets it.
    spoken(["sane", "iutf8"]);
    assertEquals(ours, spoken(["-a"]));
  });

  it("are restored when raw mode ends, once, and no later change is undone", () => {
    using pty = Pty.open();
    const before = getTermios(pty.slave).bytes.slice();
    const raw = RawMode.enter(pty.slave);
    assertEquals(getTermios(pty.slave).get("c_lflag") & (ICANON | ECHO), 0);
    raw[Symbol.dispose]();
    assertEquals(getTermios(pty.slave).bytes, before);
    const later = getTermios(pty.slave);
    later.set("c_lflag", later.get("c_lflag") & ~ECHO);
    setTermios(pty.slave, later);
    raw[Symbol.dispose]();
    assertEquals(getTermios(pty.slave).bytes, later.bytes);
  });

  it("are not available from a file that is no terminal", () => {
    const fd = open("/dev/null", O_RDONLY);
    assertThrows(() => RawMode.enter(fd), SyscallError, "ENOTTY");
    close(fd);
  });
});

describe("window size", () => {
  requiresCompiler("reaches the programs on the terminal", () => {
    using terminal = startVictim("signals", [], { rows: 30, columns: 100 });
    assertEquals(getWindowSize(terminal.master).get("ws_row"), 30);
    setWindowSize(terminal.master, size(31, 101));
    terminal.expect(`signal ${SIGWINCH} `);
    terminal.line("report");
    terminal.expect("size=31x101 ");
    assertEquals(getWindowSize(terminal.master).bytes, size(31, 101).bytes);
    // The same size again is no news.
    setWindowSize(terminal.master, size(31, 101));
    terminal.line("now");
    terminal.expect("line: now");
    assertEquals(terminal.output.split(`signal ${SIGWINCH} `).length, 2);
  });

  it("can be changed by one row without becoming zero", () => {
    assertEquals(oneRowOff(size(24, 80)).get("ws_row"), 23);
    assertEquals(oneRowOff(size(1, 80)).get("ws_row"), 2);
    assertEquals(oneRowOff(size(0, 0)).get("ws_row"), 1);
    assertEquals(oneRowOff(size(24, 80)).get("ws_col"), 80);
  });
});

describe("Channel", () => {
  it("passes bytes in order and keeps bytes that the sink does not take", () => {
    const from = pipe();
    const to = pipe();
    const channel = new Channel(from.readEnd, to.writeEnd, read, write);
    const sent: number[] = [];
    const received: number[] = [];
    const buffer = new Uint8Array(5000);
    for (let round = 0; round < 200; round++) {
      const chunk = Uint8Array.from({ length: 3000 }, (_, index) => (sent.length + index) * 31);
      const count = write(from.writeEnd, chunk);
      if (count > 0) sent.push(...chunk.subarray(0, count));
      channel.fill();
      channel.drain();
      if (round % 3 === 0) {
        const got = read(to.readEnd, buffer);
        if (got > 0) received.push(...buffer.subarray(0, got));
      }
    }
    assert(channel.pending > 0, "the sink was full");
    close(from.writeEnd);
    let progress = channel.fill();
    while (progress !== "end" || channel.pending > 0) {
      channel.drain();
      const got = read(to.readEnd, buffer);
      if (got > 0) received.push(...buffer.subarray(0, got));
      if (channel.pending === 0) progress = channel.fill();
    }
    for (let got = read(to.readEnd, buffer); got > 0; got = read(to.readEnd, buffer)) {
      received.push(...buffer.subarray(0, got));
    }
    assertEquals(received.length, sent.length);
    assert(received.every((byte, index) => byte === sent[index]));
    for (const fd of [from.readEnd, to.readEnd, to.writeEnd]) close(fd);
  });
});
