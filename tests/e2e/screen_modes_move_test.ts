/** What a full-screen program sets on its terminal: taken back on the old one, and set on the new one. */
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import {
  assertNoneLeft,
  PROMPT,
  RESTLESS,
  type Shape,
  SHAPES,
  Target,
} from "../support/e2e_target.ts";
import { MovedJob, typeInShell, untilRunning } from "../support/jobs_moved.ts";
import { requires, VIM_OPTIONS } from "../support/programs.ts";
import { arrow, assertScreenRight, expectPromptBelow, numberedLines } from "../support/screens.ts";
import type { Terminal } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

const VIM = ["vim", ...VIM_OPTIONS];
const BEFORE = "this was there before";

/** A program in the shape wanted; below a line of the shell where there is one. */
function start(shape: Shape, argv: readonly string[], ready: (terminal: Terminal) => void) {
  const line = argv.map((word) => `'${word}'`).join(" ");
  const target = shape === "session leader"
    ? Target.start(shape, argv, ready, { snapshot: RESTLESS })
    : Target.fromShell(`echo ${BEFORE}; ${line}`, ready, { snapshot: RESTLESS });
  // While ncurses paints it ignores SIGTSTP.
  untilBlocked(target.pid);
  return target;
}

function assertOldRight(shape: Shape, { terminal }: Target): void {
  if (shape === "foreground job") expectPromptBelow(terminal, BEFORE);
  else {
    terminal.expectEof();
    assertScreenRight(terminal);
  }
}

/** A program that is in raw mode and has set everything; without a handler of SIGTSTP, or one that does not stop. */
const SETS_ALL = `
import os, signal, sys, termios, tty
def refuse(*unused): pass
if sys.argv[1] == "refuses": signal.signal(signal.SIGTSTP, refuse)
before = termios.tcgetattr(0)
tty.setraw(0)
os.write(1, b"\\x1b[?1049h\\x1b[?1h\\x1b=\\x1b[?25l\\x1b[?1002h\\x1b[?1006h\\x1b[?1004h\\x1b[?2004h\\x1b[?7l")
os.write(1, b"\\x1b[5;9r\\x1b[4h\\x1b[1m\\x1b[>4;2m\\x1b(0\\x1b[2;2Hjjj")
while True:
    key = os.read(0, 1)
    if key == b"q": break
    os.write(1, b"\\x1b[HHave " + key)
termios.tcsetattr(0, termios.TCSANOW, before)
`;

describe("reptyr and the terminal modes of a full-screen program", () => {
  let folder = "";
  beforeEach(() => {
    folder = Deno.makeTempDirSync({ prefix: "e2e-" });
  });
  afterEach(() => {
    Deno.removeSync(folder, { recursive: true });
    assertNoneLeft();
  });

  for (const shape of SHAPES) {
    requires("vim")(`vim: cursor keys, mouse and paste work on the new terminal, ${shape}`, () => {
      const file = join(folder, "text");
      Deno.writeTextFileSync(file, numberedLines(5));
      using vim = start(shape, [...VIM, "-c", "set mouse=a ttymouse=sgr", file], (terminal) => {
        terminal.expectScreen(/line 1[^]*5L, /);
      });
      const modes = [...vim.terminal.screen.modes];
      for (const mode of ["?1", "keypad", "?2004", "?1006"]) assert(modes.includes(mode), mode);
      using moved = vim.move({ rows: 20 });
      moved.expectScreen(({ lines, alternate, modes: now }) =>
        alternate && lines[0] === "line 1." && lines[18] === "~" &&
        modes.every((mode) => mode === "region" || now.has(mode))
      );
      assertOldRight(shape, vim);

      arrow(moved, "Down");
      arrow(moved, "Right");
      moved.type("iHERE");
      moved.press("Escape");
      moved.expectScreen(({ lines }) => lines[1] === "lHEREine 2.");
      // A click into column 6 of row 4: SGR mouse.
      moved.type("\x1b[<0;6;4M\x1b[<0;6;4m");
      moved.type("iCLICK");
      moved.press("Escape");
      moved.expectScreen(({ lines }) => lines[3] === "line CLICK4.");
      // Pasted, the abbreviation of a tab and a line do not matter: it is text.
      moved.type("Go\x1b[200~pasted: \x16:q!\x1b[201~");
      moved.press("Escape");
      moved.expectScreen(({ text }) => /^pasted: .*:q!$/m.test(text));
      moved.line(":w");
      moved.expectScreen("written");
      const saved = Deno.readTextFileSync(file).split("\n");
      assertEquals([saved[1], saved[3]], ["lHEREine 2.", "line CLICK4."]);
      moved.line(":q");
      vim.expectEnd(moved, 0);
      assertScreenRight(moved);
    });

    requires("less")(`less: cursor keys work on the new terminal, ${shape}`, () => {
      const file = join(folder, "lines");
      Deno.writeTextFileSync(file, numberedLines(200));
      using less = start(shape, ["less", file], (terminal) => terminal.expectScreen("line 23."));
      using moved = less.move();
      moved.expectScreen(({ lines, alternate, modes }) =>
        alternate && lines[0] === "line 1." && modes.has("?1") && modes.has("keypad")
      );
      assertOldRight(shape, less);
      arrow(moved, "Down");
      moved.expectScreen(({ lines }) => lines[0] === "line 2.");
      arrow(moved, "Up");
      moved.expectScreen(({ lines }) => lines[0] === "line 1.");
      moved.type("q");
      less.expectEnd(moved, 0);
      assertScreenRight(moved);
    });

    requires("top")(`top, which stops itself by SIGSTOP, ${shape}`, () => {
      using top = start(shape, ["top", "-d", "600"], (terminal) => {
        terminal.expectScreen(/top - [^]*PID USER[^]*\n *\d+ /);
      });
      using moved = top.move();
      moved.expectScreen(({ text, modes }) =>
        /^top - [^]*PID USER[^]*\n *\d+ /.test(text) && modes.has("?1") && modes.has("?25")
      );
      if (shape === "foreground job") {
        top.terminal.expectScreen(({ lines, cursor }) => lines[cursor.row] === PROMPT.trimEnd());
      }
      assertScreenRight(top.terminal);
      untilBlocked(top.pid); // it throws away what is typed while it is at work
      moved.type("q");
      top.expectEnd(moved, 0);
      assertScreenRight(moved);
    });

    requires("nano")(`nano, which stops its group by SIGSTOP, ${shape}`, () => {
      const file = join(folder, "text");
      Deno.writeTextFileSync(file, numberedLines(5));
      using nano = start(shape, ["nano", "-I", file], (terminal) => {
        terminal.expectScreen(/GNU nano[^]*line 5\.[^]*\^X Exit/);
      });
      using moved = nano.move();
      moved.expectScreen(({ text, alternate, modes }) =>
        alternate && /GNU nano[^]*line 5\.[^]*\^X Exit/.test(text) && modes.has("?2004")
      );
      assertOldRight(shape, nano);
      arrow(moved, "Down");
      moved.type("HERE");
      moved.expectScreen("HEREline 2.");
      moved.press("^O", "Enter");
      moved.expectScreen("Wrote 5 lines");
      assertEquals(Deno.readTextFileSync(file).split("\n")[1], "HEREline 2.");
      moved.press("^X");
      nano.expectEnd(moved, 0);
      assertScreenRight(moved);
    });

    requires("htop")(`htop, with the mouse, ${shape}`, () => {
      using htop = start(shape, ["htop", "-d", "100"], (terminal) => {
        terminal.expectScreen(/Load average[^]*F10Quit/);
      });
      using moved = htop.move();
      moved.expectScreen(({ text, alternate, modes }) =>
        alternate && /Load average[^]*F10Quit/.test(text) && modes.has("?1006")
      );
      assertOldRight(shape, htop);
      moved.type("q");
      htop.expectEnd(moved, 0);
      assertScreenRight(moved);
    });

    for (const handler of ["none", "refuses"]) {
      requires("python3")(`a program with handler ${handler} of ^Z, ${shape}`, () => {
        const script = join(folder, "sets_all.py");
        Deno.writeTextFileSync(script, SETS_ALL);
        using target = start(shape, ["python3", script, handler], (terminal) => {
          terminal.expectScreen(/┘┘┘/);
        });
        using moved = target.move();
        assertOldRight(shape, target);
        moved.type("k");
        moved.expectScreen("Have k");
        moved.type("q");
        target.expectEnd(moved, 0);
        assertScreenRight(moved);
      });
    }
  }

  requires("vim", "bash")("vim in a moved shell goes with the shell", () => {
    const file = join(folder, "text");
    Deno.writeTextFileSync(file, numberedLines(5));
    using old = typeInShell(`${VIM.map((word) => `'${word}'`).join(" ")} ${file}`);
    old.expectScreen(/line 1[^]*5L, /);
    const [vim] = untilRunning(old, ["vim"]);
    using job = new MovedJob(old, [old.pid, vim!], RESTLESS);
    using moved = job.move(old.pid, { rows: 20 });
    moved.expectScreen(({ lines, alternate, modes }) =>
      alternate && lines[0] === "line 1." && lines[18] === "~" && modes.has("?1")
    );
    old.expectEof();
    assertScreenRight(old);
    arrow(moved, "Down");
    moved.type("dd");
    moved.expectScreen(({ lines }) => lines[1] === "line 3.");
    moved.line(":wq");
    moved.expect(PROMPT);
    assert(!moved.output.includes("Stopped"), moved.describe());
    moved.expectScreen(({ alternate }) => !alternate);
    assertScreenRight(moved);
    assertEquals(Deno.readTextFileSync(file), "line 1.\nline 3.\nline 4.\nline 5.\n");
    moved.line("exit 3");
    job.expectEnd(moved, 3);
  });

  for (const [redraw, paints] of [["winch", true], ["ctrl-l", true], ["none", false]] as const) {
    requires("less")(`--redraw=${redraw}`, () => {
      const file = join(folder, "lines");
      Deno.writeTextFileSync(file, numberedLines(200));
      using less = start("foreground job", ["less", file], (terminal) => {
        terminal.expectScreen("line 23.");
      });
      using moved = less.move({ args: [`--redraw=${redraw}`] });
      if (paints) {
        moved.expectScreen(({ lines, modes }) => lines[0] === "line 1." && modes.has("?1"));
      }
      expectPromptBelow(less.terminal, BEFORE);
      if (!paints) {
        // Not asked for anything, it has not written a byte before it is told to by a key.
        assertEquals(moved.output, "");
        moved.type(" ");
        moved.expectScreen("line 46.");
        assert(!moved.output.includes("line 1."), moved.describe());
        assert(!moved.screen.modes.has("?1"));
      }
      moved.type("q");
      less.expectEnd(moved, 0);
      assertScreenRight(moved);
    });
  }
});
