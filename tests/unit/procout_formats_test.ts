import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Stream, WatchEvent } from "../../src/procout/engine.ts";
import { CastFormat } from "../../src/procout/formats/cast.ts";
import { clockText, type Format } from "../../src/procout/formats/format.ts";
import { HexFormat } from "../../src/procout/formats/hex.ts";
import { JsonFormat } from "../../src/procout/formats/json.ts";
import { LineFormat } from "../../src/procout/formats/line.ts";
import { RawFormat } from "../../src/procout/formats/raw.ts";
import { unfinishedBytes } from "../../src/procout/formats/utf8.ts";
import { Stats } from "../../src/procout/stats.ts";

const TIME = 1_700_000_000_123.456;
const CLOCK = clockText(TIME);

function wrote(
  data: string | readonly number[],
  { fd = 1, stream = 1 as Stream, kind = "output" as "output" | "input" } = {},
): WatchEvent {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : Uint8Array.from(data);
  return { kind, time: TIME, pid: 42, tid: 43, fd, stream, bytes };
}

const LOST: WatchEvent = {
  kind: "lost",
  time: TIME,
  pid: 42,
  tid: 43,
  fd: 1,
  stream: 1,
  count: 7,
  why: "gone",
};

function text(format: Format, ...events: readonly WatchEvent[]): string {
  const parts = [format.begin(), ...events.map((event) => format.event(event)), format.end()];
  return parts.map((part) => new TextDecoder().decode(part)).join("");
}

describe("formats", () => {
  it("raw: the bytes, stderr red when asked for", () => {
    assertEquals(
      text(new RawFormat(false, false), wrote("a\n"), wrote("b", { stream: 2 }), LOST),
      "a\nb",
    );
    assertEquals(
      text(new RawFormat(true, false), wrote("a"), wrote("b", { stream: 2 })),
      "a\x1b[31mb\x1b[39m",
    );
  });

  it("line: one line for each line written, also when it comes in several writes", () => {
    const format = new LineFormat(false);
    assertEquals(
      text(
        format,
        wrote("one\ntw"),
        wrote("o\r\n\n"),
        wrote("x\x1b[2J\n", { fd: 2, stream: 2 }),
        wrote("typed\n", { fd: 0, stream: 0, kind: "input" }),
        wrote([0x80, 0x41, 0x0a]),
        LOST,
      ),
      [
        "1 | one",
        "1 | tw",
        "1 + o",
        "1 | ",
        "2 | x\\x1b[2J",
        "0 < typed",
        "1 | \\x80A",
        "1 ! 7 bytes lost: gone",
      ].map((line) => `${CLOCK} 42 ${line}\n`).join(""),
    );
  });

  it("line: characters that two writes share", () => {
    const [first, second, third] = [[0xe2, 0x82], [0xac, 0x0a], [0xf0, 0x9f]].map((bytes) =>
      wrote(bytes)
    );
    const lines = text(new LineFormat(true), first!, second!, third!).split("\n");
    assertEquals(lines[0], `${CLOCK} 42 1 | €`);
    assertEquals(lines[1]?.replace(/^\S+/, ""), " 42 1 + \\xf0\\x9f");
  });

  it("json: text, or base64 for bytes that are not text", () => {
    const lines = text(
      new JsonFormat(),
      wrote('a"\n'),
      wrote([0xff, 0x00]),
      LOST,
      { kind: "end", time: TIME, pid: 42, status: 0x0700 },
      { kind: "end", time: TIME, pid: 42, status: 9 },
      { kind: "unseen", time: TIME, pid: 42, call: "tee" },
    ).trim().split("\n").map((line) => JSON.parse(line));
    const common = { time: 1700000000.123456, pid: 42 };
    const from = { ...common, tid: 43, fd: 1 };
    assertEquals(lines, [
      { ...from, kind: "output", text: 'a"\n' },
      { ...from, kind: "output", base64: "/wA=" },
      { ...from, kind: "lost", bytes: 7, why: "gone" },
      { ...common, kind: "end", status: 7 },
      { ...common, kind: "end", signal: 9 },
      { ...common, kind: "unseen", call: "tee" },
    ]);
  });

  it("cast: the output of the terminal, with its sizes", () => {
    let size = { columns: 80, rows: 24, translatesNewlines: true };
    const format = new CastFormat(TIME, () => size, { TERM: "xterm" });
    const resize: WatchEvent = { kind: "resize", time: TIME + 500, pid: 42 };
    const lines = [text(format, wrote("a\n"), resize, wrote([0xe2, 0x82]), wrote([0xac]))];
    size = { columns: 100, rows: 30, translatesNewlines: false };
    lines.push(new TextDecoder().decode(format.event(resize)));
    lines.push(new TextDecoder().decode(format.event(wrote("b\n"))));
    assertEquals(lines.join("").trim().split("\n").map((line) => JSON.parse(line)), [
      { version: 2, width: 80, height: 24, timestamp: 1_700_000_000, env: { TERM: "xterm" } },
      [0, "o", "a\r\n"],
      [0, "o", "€"],
      [0.5, "r", "100x30"],
      [0.5, "o", "b\n"],
    ]);
  });

  it("hex: a dump of each write", () => {
    assertEquals(
      text(new HexFormat(false), wrote("0123456789abcdef\n")),
      `${CLOCK} 42 1 wrote 17 bytes\n` +
        "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n" +
        "00000010  0a                                                |.|\n",
    );
  });

  it("detects an unfinished character", () => {
    const table: [number[], number][] = [
      [[], 0],
      [[0x41], 0],
      [[0xc3], 1],
      [[0xc3, 0xa4], 0],
      [[0x41, 0xe2, 0x82], 2],
      [[0xe2, 0x82, 0xac], 0],
      [[0xf0, 0x9f, 0x98], 3],
      [[0xf0, 0x9f, 0x98, 0x80], 0],
      [[0x80, 0x80, 0x80], 0],
    ];
    for (const [bytes, count] of table) {
      assertEquals(unfinishedBytes(Uint8Array.from(bytes)), count);
    }
  });

  it("count bytes, writes and lost bytes", () => {
    const stats = new Stats();
    for (const event of [wrote("abc"), wrote("d"), LOST]) stats.count(event);
    assertEquals(
      stats.text("ptrace", 1.26),
      "4 bytes, 2 writes, lost bytes: 7, engine: ptrace, 1.3 seconds",
    );
  });
});
