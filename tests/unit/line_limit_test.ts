import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ICANON, PARMRK, VEOF } from "../../src/ffi/constants.ts";
import { termios2 } from "../../src/ffi/structs.ts";
import { fittedLength, LINE_ROOM, LineLimit } from "../../src/tty/line_limit.ts";
import { saneTermios, type Termios } from "../../src/tty/settings.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function rawMode(): Termios {
  const settings = saneTermios();
  return settings.set("c_lflag", settings.get("c_lflag") & ~ICANON);
}

/** What is typed for each of `pieces`, under the settings of `stty sane`. */
function fitted(...pieces: string[]): string[] {
  const limit = new LineLimit();
  return pieces.map((piece) => text(limit.fit(bytes(piece), saneTermios())));
}

describe("LineLimit", () => {
  const x = (count: number) => "x".repeat(count);

  it("passes lines that fit", () => {
    const lines = `${x(LINE_ROOM)}\n${x(LINE_ROOM)}\r${x(LINE_ROOM)}`;
    assertEquals(fitted(lines), [lines]);
  });

  it("types a longer line in pieces, and never an empty piece", () => {
    assertEquals(fitted(`${x(LINE_ROOM + 1)}\n`), [`${x(LINE_ROOM)}\x04x\n`]);
    assertEquals(fitted(`a\n${x(2 * LINE_ROOM)}\n`), [
      `a\n${x(LINE_ROOM)}\x04${x(LINE_ROOM)}\n`,
    ]);
  });

  it("counts a line on from one text to the next", () => {
    assertEquals(fitted(x(4000), x(100), "\nnext"), [
      x(4000),
      `${x(95)}\x04${x(5)}`,
      "\nnext",
    ]);
  });

  it("passes any line when the program edits lines itself", () => {
    const limit = new LineLimit();
    assertEquals(limit.fit(bytes(x(9000)), rawMode()).length, 9000);
    assertEquals(limit.isUnfinished, false);
  });

  it("passes any line when no key means end of file", () => {
    const settings = saneTermios();
    settings.bytes[termios2.fields.c_cc[0] + VEOF] = 0;
    assertEquals(new LineLimit().fit(bytes(x(9000)), settings).length, 9000);
  });

  it("makes smaller pieces where a byte may become three", () => {
    const settings = saneTermios();
    settings.set("c_iflag", settings.get("c_iflag") | PARMRK);
    assertEquals(text(new LineLimit().fit(bytes(x(1366)), settings)), `${x(1365)}\x04x`);
  });

  it("types no more than fittedLength() promises", () => {
    for (const count of [1, 1365, 1366, 4096, 65_000]) {
      const settings = saneTermios();
      settings.set("c_iflag", settings.get("c_iflag") | PARMRK);
      const limit = new LineLimit();
      limit.fit(bytes(x(1365)), settings);
      assert(limit.fit(bytes(x(count)), settings).length <= fittedLength(count), `${count}`);
    }
  });

  const unfinished: [string, boolean][] = [
    ["", false],
    ["line\n", false],
    ["line\r", false],
    ["line", true],
    ["line\nmore", true],
    ["line\x04", false], // VEOF
    ["line\x15", false], // VKILL
    ["line\x03", false], // VINTR
    ["a\x7f", false], // VERASE
    ["ab\x7f", true],
    ["line\x16\n", true], // VLNEXT takes the newline literally
    ["line\x16\x04", true],
  ];
  for (const [typed, wanted] of unfinished) {
    it(`knows whether a line is unfinished: ${JSON.stringify(typed)}`, () => {
      const limit = new LineLimit();
      limit.fit(bytes(typed), saneTermios());
      assertEquals(limit.isUnfinished, wanted);
    });
  }
});
