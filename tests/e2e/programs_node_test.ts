/** A target with an event loop: libuv has the terminal in an epoll instance, under several descriptors. */
import { assert } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft, RESTLESS, SHAPES, Target } from "../support/e2e_target.ts";
import { requires } from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";

/** The prompt, and the cursor behind it. */
const NODE_PROMPT = "> \x1b[3G";

describe("reptyr moves a program that waits in epoll_wait()", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("node")(`the prompt of node, ${shape}`, () => {
      using node = Target.start(shape, ["node"], (terminal) => {
        terminal.expect(NODE_PROMPT);
        terminal.line("const kept = 6 * 7");
        terminal.expect("undefined");
        terminal.expect(NODE_PROMPT);
      }, { snapshot: RESTLESS, terminal: { env: { NODE_REPL_HISTORY: "", NO_COLOR: "1" } } });
      using moved = node.move({ rows: 30, columns: 90 });
      // node looks at what was typed before it looks at a signal that came first.
      waitUntil("node to know its size", () => {
        moved.line("kept + ' ' + process.stdout.columns");
        return moved.expect(/'42 (\d+)'/)[1] === "90";
      });

      const before = node.terminal.output;
      if (shape === "session leader") node.terminal.expectEof();
      else {
        // Keys on the old terminal are the shell's now.
        node.terminal.line("echo $((6 * 8))");
        node.terminal.expect("\r48\r\n");
        assert(!moved.output.includes("48"));
      }
      assert(!before.includes("42 90"));

      moved.press("^C", "^C");
      node.expectEnd(moved, 0);
    });
  }
});
