import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ScreenModes } from "../../src/tty/screen_modes.ts";
import { Screen } from "../support/screen.ts";
import { BLIND_RESET } from "../../src/tty/blind_reset.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function fed(...texts: string[]): ScreenModes {
  const modes = new ScreenModes();
  for (const text of texts) modes.feed(encode(text));
  return modes;
}

/** What vim 9 and a mouse, htop and nano write first. */
const VIM = "\x1b[?1006;1000h\x1b[?1002h\x1b[?1049h\x1b[22;0;0t\x1b[>4;2m\x1b[?1h\x1b=\x1b[?2004h" +
  "\x1b[?1004h\x1b[1;24r\x1b[?12h\x1b[?12l\x1b[27m\x1b[23m\x1b[29m\x1b[m\x1b[H\x1b[2J\x1b[?25l";
const VIM_ENDS = "\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[?1049l\x1b[23;0;0t\x1b[>4;m" +
  "\x1b[?1006;1000l\x1b[?1002l\x1b[?25h\x1b[r";

describe("ScreenModes of a hostile program", () => {
  it("keeps no deeper a stack than terminals do", () => {
    const modes = fed("\x1b[>1u".repeat(100_000));
    assertEquals(modes.reset, "\x1b[<127u");
    modes.feed(encode("\x1b[<200000u"));
    assertEquals(modes.reset, "");
  });

  it("writes only known sequences, whatever the numbers", () => {
    const nines = "9".repeat(60);
    const modes = fed(`\x1b[>${nines}u\x1b[=${nines}u\x1b[${nines} q\x1b(\x1b)\x07\x1b[?${nines}h`);
    // deno-lint-ignore no-control-regex
    assertEquals(/^(\x1b[\x20-\x7e]+)*$/.test(modes.again + modes.reset), true);
    assertEquals(/9{9}|e\+/.test(modes.again + modes.reset), false);
  });
});

describe("ScreenModes", () => {
  for (
    const [what, set, reset, again = set] of [
      ["nothing", "plain text\r\n\x1b[31mred\x1b[0m \x1b[2J\x1b[5;5H", "", ""],
      ["the alternate screen", "\x1b[?1049h", "\x1b[?1049l"],
      ["the older alternate screen", "\x1b[?47h", "\x1b[?47l"],
      ["cursor keys and keypad", "\x1b[?1h\x1b=", "\x1b[?1l\x1b>"],
      ["a hidden cursor", "\x1b[?25l", "\x1b[?25h"],
      ["no wrapping", "\x1b[?7l", "\x1b[?7h"],
      ["the mouse", "\x1b[?1002h\x1b[?1006h", "\x1b[?1006l\x1b[?1002l"],
      [
        "several modes at once",
        "\x1b[?1000;2004h",
        "\x1b[?2004l\x1b[?1000l",
        "\x1b[?1000h\x1b[?2004h",
      ],
      ["a scrolling region", "\x1b[2;10r", "\x1b7\x1b[r\x1b8", ""],
      ["a scrolling region taken back", "\x1b[2;10r\x1b[r", "", ""],
      ["attributes", "\x1b[1;31mbold", "\x1b[m", ""],
      ["attributes taken back", "\x1b[1;4;7;31;104mbold\x1b[22;24;27;39m\x1b[49m", "", ""],
      ["an attribute that is left", "\x1b[1;31m\x1b[39m", "\x1b[m", ""],
      ["colours by number", "\x1b[38;5;0;48;2;0;0;1m\x1b[39;49m", "", ""],
      ["colours with colons", "\x1b[38:2::1:0:3m", "\x1b[m", ""],
      ["colours by number only", "\x1b[38;5;0m", "\x1b[m", ""],
      ["insert mode", "\x1b[4h", "\x1b[4l"],
      ["a cursor's shape", "\x1b[6 q", "\x1b[0 q"],
      ["a cursor's shape taken back", "\x1b[6 q\x1b[ q", "", ""],
      ["modified keys", "\x1b[>4;2m", "\x1b[>4m"],
      ["line drawing", "\x1b(0qqq", "\x1b(B", "\x1b(0"],
      ["line drawing in G1", "\x1b)0\x0eqqq", "\x0f\x1b)B", "\x1b)0"],
      ["kitty's keyboard", "\x1b[>1u\x1b[>5u", "\x1b[<2u"],
      ["kitty's keyboard without a stack", "\x1b[=3u\x1b[=4;2u", "\x1b[=0u", "\x1b[=7u"],
      ["kitty's keyboard taken back", "\x1b[>1u\x1b[<u", "", ""],
      [
        "kitty's keyboard on both screens",
        "\x1b[>1u\x1b[?1049h\x1b[>3u",
        "\x1b[<1u\x1b[?1049l\x1b[<1u",
      ],
      ["a mode nobody knows", "\x1b[?31337h\x1b[?12h", "", ""],
      ["a private sequence that ends in r", "\x1b[?1049r", "", ""],
    ] as const
  ) {
    it(`resets and restores ${what}`, () => {
      const modes = fed(set);
      assertEquals(modes.reset, reset);
      assertEquals(modes.again, again);
    });
  }

  it("recognises a sequence wherever it is cut", () => {
    const whole = fed(VIM);
    for (let at = 0; at <= VIM.length; at++) {
      const modes = fed(VIM.slice(0, at), VIM.slice(at));
      assertEquals([modes.reset, modes.again], [whole.reset, whole.again], `cut at ${at}`);
    }
    const modes = fed(...VIM);
    assertEquals([modes.reset, modes.again], [whole.reset, whole.again], "byte by byte");
  });

  it("has nothing to reset when the program has reset it", () => {
    assertEquals(fed(VIM, "text", VIM_ENDS).reset, "");
    assertEquals(fed(VIM, "\x1bc").reset, "");
    assertEquals(fed("\x1b[?1h\x1b=\x1b[?25l\x1b[1m\x1b[!p").reset, "");
  });

  it("ends a sequence or a string that the program had begun", () => {
    assertEquals(fed("\x1b[?10").reset, "\x18\x1b\\");
    assertEquals(fed("\x1b]0;a title").reset, "\x18\x1b\\");
    assertEquals(fed("\x1b]0;a ti", "tle").reset, "\x18\x1b\\");
    assertEquals(fed("\x1b]0;a ti", "tle\x07").reset, "");
    assertEquals(fed("\x1b]0;a title\x07text").reset, "");
    assertEquals(fed("\x1bP+q544e\x1b", "\\text").reset, "");
    assertEquals(fed("\x1b]0;a title\x07\x1b[?1h\x1b").reset, "\x18\x1b\\\x1b[?1l");
  });

  it("recognises a mode after a string and after a broken sequence", () => {
    assertEquals(fed("\x1b]0;title\x1b\\\x1b[?1h").reset, "\x1b[?1l");
    assertEquals(fed("\x1b[?10\x1b[?25l").reset, "\x1b[?25h");
    assertEquals(fed("\x1b\x1b[?25l").reset, "\x1b[?25h");
    assertEquals(fed(`\x1b[${"1;".repeat(200)}m\x1b[?25l`).reset, "\x1b[?25h");
  });

  it("resets the screen after the modes of vim", () => {
    const screen = new Screen(24, 80);
    screen.write("$ vim\r\n");
    screen.write(VIM + "in vim");
    screen.write(fed(VIM).reset);
    assertEquals(screen.text, "$ vim");
    assertEquals([screen.alternate, [...screen.modes]], [false, []]);
    assertEquals(screen.cursor, { row: 1, column: 0 });
    screen.write(fed(VIM).again);
    assertEquals(screen.alternate, true);
    assertEquals(
      [...screen.modes].sort(),
      [
        ..."?1 ?1002 ?1004 ?1006 ?1000 ?2004 ?25 >4 keypad".split(" "),
      ].sort(),
    );
  });
});

describe("BLIND_RESET", () => {
  it("leaves a screen without modes as it is, cursor position included", () => {
    const screen = new Screen(24, 80);
    screen.write("one\r\ntwo\r\n>>> ");
    screen.write(BLIND_RESET + "x");
    assertEquals(screen.text, "one\ntwo\n>>> x");
    assertEquals([...screen.modes], []);
  });

  it("restores the main screen after the modes of vim", () => {
    const screen = new Screen(24, 80);
    screen.write("$ vim\r\n");
    screen.write(VIM + "in vim\x1b[2;5r\x1b[1m");
    screen.write(BLIND_RESET);
    assertEquals(screen.text, "$ vim");
    assertEquals([screen.alternate, [...screen.modes]], [false, []]);
    assertEquals(screen.cursor, { row: 1, column: 0 });
  });
});
