import { assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readFds } from "../../src/proc/fds.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft, type Shape, SHAPES, Target } from "../support/e2e_target.ts";
import { AS_NOBODY, NOBODY } from "../support/input_run.ts";
import { publicVictim } from "../support/input_victims.ts";
import { requiresCompiler } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

const asRoot = requiresCapability("users", requiresCompiler);
const byNobody = requiresCapability(["users", "attach"], requiresCompiler);

function start(shape: Shape, argv: readonly string[]): Target {
  return Target.start(shape, [...AS_NOBODY, ...argv], (terminal) => terminal.expect("ready"));
}

/** The device file of the terminal that the target is on now. */
function terminalOf({ pid }: Target): string {
  const link = (readFds(pid, pid) ?? []).find(({ fd }) => fd === 0)?.link ?? "";
  assertMatch(link, /^\/dev\/pts\/\d+$/);
  return link;
}

describe("reptyr and the process of another user", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    asRoot(`gives the new terminal to the user of the process: ${shape}`, () => {
      using target = start(shape, [publicVictim("command")]);
      using moved = target.move();
      const device = terminalOf(target);
      assertEquals(Deno.statSync(device).uid, NOBODY);
      moved.line("report");
      moved.expect(new RegExp(`sid=${target.pid} pgid=${target.pid} fg=${target.pid} ctty=yes`));
      moved.line("exit 5");
      target.expectEnd(moved, 5);
    });
  }

  asRoot("lets the program open its terminal again by name", () => {
    const script = 'echo ready; while read -r line; do echo "again: $line" >"$(tty)"; done; exit 6';
    using target = start("session leader", ["sh", "-c", script]);
    using moved = target.move();
    moved.line("hello");
    moved.expect("again: hello");
    moved.press("^D");
    target.expectEnd(moved, 6);
  });
});

describe("reptyr of a user without privilege", () => {
  afterEach(assertNoneLeft);

  // After `su` the terminal is still another user's: it cannot be opened once more.
  for (const owner of [NOBODY, 0]) {
    byNobody(`moves that user's process to a terminal of user ${owner}`, () => {
      using target = start("foreground job", [publicVictim("command")]);
      using moved = new Terminal({ label: "reptyr" });
      Deno.chownSync(moved.device, owner, null);
      target.moveBy(
        () => moved.spawn([...AS_NOBODY, reptyrPath, `${target.pid}`]),
        moved,
      );
      assertEquals(Deno.statSync(terminalOf(target)).uid, NOBODY);
      const text = "x".repeat(500);
      for (let count = 0; count < 20; count++) {
        moved.line(`${count} ${text}`);
        moved.expect(`line: ${count} ${text}\r\n`);
      }
      moved.resize(33, 99);
      waitUntil("the new size", () => {
        moved.line("report");
        return moved.expect(/size=(\d+x\d+)/)[1] === "33x99";
      });
      moved.line("exit 7");
      assertEquals(moved.expectExit(), { kind: "exited", status: 7 });
    });
  }
});
