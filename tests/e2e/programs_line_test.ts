/** Programs that read lines, and what they print is what tells that they are served. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { childrenOf } from "../support/child.ts";
import { assertNoneLeft, PROMPT, RESTLESS, SHAPES, SHELL, Target } from "../support/e2e_target.ts";
import { requires } from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";

describe("reptyr moves programs that read lines", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("cat")(`cat, ${shape}`, () => {
      using cat = Target.start(shape, ["cat"], (terminal) => {
        terminal.line("before");
        terminal.expect("before\r\nbefore\r\n");
      });
      using moved = cat.move();
      moved.line("after");
      moved.expect("after\r\nafter\r\n");
      assertEquals(cat.terminal.output.includes("after"), false);
      moved.press("^D");
      cat.expectEnd(moved, 0);
    });

    requires("python3")(`the prompt of python3, ${shape}`, () => {
      using python = Target.start(shape, ["python3", "-q"], (terminal) => {
        terminal.expect(">>> ");
        terminal.line("kept = 6 * 7");
        terminal.expect(/kept = 6 \* 7\r\n[^]*>>> /);
      }, { snapshot: RESTLESS });
      using moved = python.move({ rows: 30, columns: 90 });
      moved.line("import os; kept, tuple(os.get_terminal_size()), os.ttyname(1)");
      const answer = moved.expect(/\(42, \(90, 30\), '(\/dev\/pts\/\d+)'\)/);
      assert(answer[1] !== python.terminal.device && answer[1] !== moved.device);
      // Line editing is on: readline takes the history back.
      moved.press("Up", "Enter");
      moved.expect("(42, (90, 30), ");
      moved.line("raise SystemExit(5)");
      python.expectEnd(moved, 5);
    });
  }

  requires("bash")("bash that leads its session runs commands and jobs there", () => {
    using bash = Target.start("session leader", SHELL, (terminal) => {
      terminal.expect(PROMPT);
      terminal.line("kept=here; cd /proc; true");
      terminal.expect("true\r\n");
      terminal.expect(PROMPT);
    });
    using moved = bash.move();
    bash.terminal.expectEof();
    moved.line("echo $kept $PWD $((6 * 7)); tty");
    moved.expect(/here \/proc 42\r\n\/dev\/pts\/\d+\r\n/);
    moved.expect(PROMPT);

    moved.line("cat");
    waitUntil("cat in the foreground", () => childrenOf(bash.pid)[0] === bash.stat.tpgid);
    moved.line("through cat");
    moved.expect("through cat\r\nthrough cat\r\n");
    moved.press("^Z");
    moved.expect(/Stopped +cat\r\n/);
    moved.line("jobs; fg");
    moved.expect(/Stopped +cat\r\ncat\r\n/);
    moved.line("again");
    moved.expect("again\r\nagain\r\n");
    moved.press("^C");
    moved.expect(PROMPT);
    moved.line("echo interrupted with $?");
    moved.expect("interrupted with 130\r\n");
    moved.line("exit 7");
    bash.expectEnd(moved, 7);
  });
});
