/** Programs that fill the screen: they repaint on the new terminal, at its size, and take keys there. */
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { assertNoneLeft, RESTLESS, SHAPES, Target } from "../support/e2e_target.ts";
import { requires, VIM_OPTIONS } from "../support/programs.ts";
import { untilBlocked } from "../support/victim.ts";

describe("reptyr moves programs that fill the screen", () => {
  let folder = "";
  beforeEach(() => {
    folder = Deno.makeTempDirSync({ prefix: "e2e-" });
  });
  afterEach(() => {
    Deno.removeSync(folder, { recursive: true });
    assertNoneLeft();
  });

  for (const shape of SHAPES) {
    for (const [rows, columns] of [[24, 80], [12, 50]] as const) {
      const where = `${shape}, from 24x80 to ${rows}x${columns}`;

      requires("less")(`less, ${where}`, () => {
        const file = join(folder, "lines");
        const lines = Array.from({ length: 200 }, (_, index) => `line ${index + 1}.`);
        Deno.writeTextFileSync(file, lines.join("\n"));
        using less = Target.start(shape, ["less", file], (terminal) => {
          terminal.expectScreen("line 23.");
        });
        using moved = less.move({ rows, columns });
        moved.expectScreen(({ lines }) =>
          lines[0] === "line 1." && lines[rows - 2] === `line ${rows - 1}.`
        );
        moved.type(" ");
        moved.expectScreen(({ lines }) => lines[rows - 2] === `line ${2 * rows - 2}.`);
        moved.type("q");
        less.expectEnd(moved, 0);
      });

      requires("vim")(`vim, ${where}`, () => {
        const file = join(folder, "text");
        Deno.writeTextFileSync(file, "first line\n");
        const argv = ["vim", ...VIM_OPTIONS, file];
        using vim = Target.start(shape, argv, (terminal) => {
          terminal.expectScreen(/first line[^]* 1L, 11B/);
        }, { snapshot: RESTLESS });
        using moved = vim.move({ rows, columns });
        moved.expectScreen(({ lines }) => lines[0] === "first line" && lines[rows - 2] === "~");
        moved.type("oände the sécond");
        moved.press("Escape");
        moved.expectScreen(({ lines }) => lines[1] === "ände the sécond");
        moved.line(":w");
        moved.expectScreen("written");
        assertEquals(Deno.readTextFileSync(file), "first line\nände the sécond\n");
        moved.line(":q");
        vim.expectEnd(moved, 0);
      });
    }

    requires("top")(`top, ${shape}`, () => {
      using top = Target.start(shape, ["top", "-d", "600"], (terminal) => {
        terminal.expectScreen(/top - [^]*PID USER[^]*\n *\d+ /);
      }, { snapshot: { mappings: "named" } });
      using moved = top.move({ rows: 15, columns: 70 });
      moved.expectScreen(/^top - [^]*PID USER[^]*\n *\d+ /);
      untilBlocked(top.pid); // it throws away what is typed while it is at work
      moved.type("l"); // the line with the load average goes
      moved.expectScreen((screen) => !screen.text.includes("load average"));
      untilBlocked(top.pid);
      moved.type("q");
      top.expectEnd(moved, 0);
    });
  }
});
