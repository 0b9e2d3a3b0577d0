import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Screen } from "../support/screen.ts";

/** What a screen of 5 rows and 10 columns shows after `output`. */
function show(output: string, rows = 5, columns = 10): string[] {
  const screen = new Screen(rows, columns);
  screen.write(output);
  return screen.lines;
}

/** Five rows of one letter each, and the cursor after `output`. */
function onLetters(output: string): string[] {
  return show(`aaaaa\r\nbbbbb\r\nccccc\r\nddddd\r\neeeee${output}`);
}

describe("Screen", () => {
  const CASES: readonly (readonly [string, string[], string[]])[] = [
    ["shows text, returns and line feeds", show("ab\r\ncd\ne"), ["ab", "cd", "  e", "", ""]],
    ["goes on in the next row", show("0123456789ab"), ["0123456789", "ab", "", "", ""]],
    ["waits at the last column", show("0123456789\r\nab"), ["0123456789", "ab", "", "", ""]],
    ["does not wrap when told so", show("\x1b[?7l0123456789ab"), ["012345678b", "", "", "", ""]],
    ["scrolls at the end", show("a\r\nb\r\nc\r\nd\r\ne\r\nf"), ["b", "c", "d", "e", "f"]],
    ["steps back and tabulates", show("abc\bX\tY"), ["abX     Y", "", "", "", ""]],
    ["addresses the cursor", show("\x1b[2;3HX\x1b[HY\x1b[9;99HZ"), [
      "Y",
      "  X",
      "",
      "",
      "         Z",
    ]],
    ["moves the cursor", show("\x1b[3;3H\x1b[AU\x1b[2BD\x1b[4DL\x1b[CR"), [
      "",
      "  U",
      "",
      "L RD",
      "",
    ]],
    ["erases to the end of the row", onLetters("\x1b[2;3H\x1b[K"), [
      "aaaaa",
      "bb",
      "ccccc",
      "ddddd",
      "eeeee",
    ]],
    ["erases from the start of the row", onLetters("\x1b[2;3H\x1b[1K"), [
      "aaaaa",
      "   bb",
      "ccccc",
      "ddddd",
      "eeeee",
    ]],
    ["erases below", onLetters("\x1b[3;2H\x1b[J"), ["aaaaa", "bbbbb", "c", "", ""]],
    ["erases above", onLetters("\x1b[3;2H\x1b[1J"), ["", "", "  ccc", "ddddd", "eeeee"]],
    ["erases everything", onLetters("\x1b[2J"), ["", "", "", "", ""]],
    ["inserts rows", onLetters("\x1b[2H\x1b[2L"), ["aaaaa", "", "", "bbbbb", "ccccc"]],
    ["deletes rows", onLetters("\x1b[2H\x1b[2M"), ["aaaaa", "ddddd", "eeeee", "", ""]],
    ["inserts and deletes characters", show("abcdef\x1b[1;3H\x1b[2@\x1b[1;1H\x1b[P"), [
      "b  cdef",
      "",
      "",
      "",
      "",
    ]],
    ["erases characters", show("abcdef\x1b[1;3H\x1b[2X"), ["ab  ef", "", "", "", ""]],
    ["inserts what is typed in insert mode", show("abc\r\x1b[4hX\x1b[4l"), [
      "Xabc",
      "",
      "",
      "",
      "",
    ]],
    ["scrolls within its region", onLetters("\x1b[2;4r\x1b[4;1H\nX"), [
      "aaaaa",
      "ccccc",
      "ddddd",
      "X",
      "eeeee",
    ]],
    ["scrolls its region back", onLetters("\x1b[2;4r\x1b[2;1H\x1bMX"), [
      "aaaaa",
      "X",
      "bbbbb",
      "ccccc",
      "eeeee",
    ]],
    ["scrolls when asked", onLetters("\x1b[2S\x1b[T"), ["", "ccccc", "ddddd", "eeeee", ""]],
    ["saves and restores the cursor", show("ab\x1b7\x1b[3;3HX\x1b8c"), ["abc", "", "  X", "", ""]],
    ["repeats a character", show("ab\x1b[3b"), ["abbbb", "", "", "", ""]],
    ["draws lines", show("\x1b(0lqk\x1b(Blqk\x1b)0\x0ex\x0fx"), ["┌─┐lqk│x", "", "", "", ""]],
    ["ignores colours, modes and questions", show("a\x1b[1;38:5:9mb\x1b[?25l\x1b[c\x1b[>q\x1b=c"), [
      "abc",
      "",
      "",
      "",
      "",
    ]],
    [
      "ignores strings for the terminal",
      show("a\x1bP+q\x1b[H\x1b\\b\x1b]52;c;x\x07c\x1b_x\x1b\\d"),
      [
        "abcd",
        "",
        "",
        "",
        "",
      ],
    ],
    ["shows UTF-8 and joins accents", show("äe\u0301€x"), ["äe\u0301€x", "", "", "", ""]],
  ];
  for (const [what, shown, wanted] of CASES) it(what, () => assertEquals(shown, wanted));

  it("shows the same wherever the output is cut", () => {
    const output =
      "a\x1b[2;3Hb\x1b]0;title\x1b\\c\x1bPx\x1b[H\x1b\\d\x1b(0q\x1b(B\x1b[1;1H\x1b[4hZ";
    const whole = new Screen(5, 10);
    whole.write(output);
    const pieces = new Screen(5, 10);
    for (const piece of output) pieces.write(piece);
    assertEquals(pieces.lines, whole.lines);
    assertEquals(whole.lines.slice(0, 2), ["Za", "  bcd─"]);
    assertEquals([pieces.title, whole.title], ["title", "title"]);
  });

  it("has an alternate screen, and shows the main screen again afterwards", () => {
    const screen = new Screen(5, 10);
    screen.write("shell\x1b[?1049h\x1b[Hfull");
    assertEquals([screen.text, screen.alternate], ["full", true]);
    screen.write("\x1b[?1049l!");
    assertEquals([screen.text, screen.alternate], ["shell!", false]);
  });

  it("keeps the row of the cursor when it becomes smaller", () => {
    const screen = new Screen(5, 10);
    screen.write("a\r\nb\r\nc\r\nd\r\nlong line");
    screen.resize(2, 4);
    assertEquals([screen.lines, screen.cursor], [["d", "long"], { row: 1, column: 3 }]);
    screen.resize(3, 10);
    assertEquals(screen.lines, ["d", "long", ""]);
  });
});
