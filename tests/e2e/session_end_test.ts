/** How it all ends: the target, or the new terminal, or a second move. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGHUP, SIGKILL, SIGTERM } from "../../src/ffi/constants.ts";
import { assertNoneLeft, PROMPT, SHAPES, SHELL, Target } from "../support/e2e_target.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";

describe("when the target ends, reptyr ends with its status", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    const start = () =>
      Target.start(shape, [victim("command")], (terminal) => {
        terminal.expect("ready");
      });

    requiresCompiler(`exit 0 and exit 255, ${shape}`, () => {
      for (const status of [0, 255]) {
        using target = start();
        using moved = target.move();
        moved.line(`exit ${status}`);
        target.expectEnd(moved, status);
      }
    });

    requiresCompiler(`killed by SIGTERM and SIGKILL, ${shape}`, () => {
      for (const signal of [SIGTERM, SIGKILL]) {
        using target = start();
        using moved = target.move();
        target.handle.signal(signal);
        target.expectEnd(moved, 128 + signal);
      }
    });

    requiresCompiler(`while it is stopped, ${shape}`, () => {
      using target = start();
      using moved = target.move();
      target.handle.signal(19); // SIGSTOP
      waitUntil("the target to stop", () => target.stat.state === "T");
      target.handle.signal(SIGKILL);
      target.expectEnd(moved, 137);
    });
  }
});

/** How a shell shows both is 129: the kernel's SIGHUP may come when reptyr has seen the end by itself already. */
function expectHungUp(moved: Terminal): void {
  const end = moved.expectExit();
  assertEquals(
    end,
    end.kind === "signaled"
      ? { kind: "signaled", signal: SIGHUP }
      : { kind: "exited", status: 128 + SIGHUP },
  );
}

describe("when the new terminal goes away", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("cat")(`the target is hung up, ${shape}`, () => {
      using cat = Target.start(shape, ["cat"], (terminal) => {
        terminal.line("before");
        terminal.expect("before\r\nbefore\r\n");
      });
      using moved = cat.move();
      moved.hangUp();
      expectHungUp(moved);
      assert(cat.handle.waitForEnd(20_000));
      if (shape === "session leader") {
        assertEquals(cat.terminal.expectExit(), { kind: "signaled", signal: SIGHUP });
      }
    });
  }
});

describe("a target that is moved on", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("cat")(`ends the first reptyr, which restores its terminal, ${shape}`, () => {
      using cat = Target.start(shape, ["cat"], (terminal) => {
        terminal.line("before");
        terminal.expect("before\r\nbefore\r\n");
      });
      using second = cat.move();
      second.line("on the second");
      second.expect("on the second\r\non the second\r\n");
      using third = cat.move();
      second.expect(`reptyr: process ${cat.pid} has left this terminal\r`);
      assertEquals(second.expectExit(), { kind: "exited", status: 0 });
      second.expectEof();
      third.line("on the third");
      third.expect("on the third\r\non the third\r\n");
      assert(!second.output.includes("third"));
      third.press("^C");
      cat.expectEnd(third, 130);
    });
  }

  requires("bash")("gives its own jobs the terminal that it was moved to last", () => {
    using bash = Target.start("session leader", SHELL, (terminal) => {
      terminal.expect(PROMPT);
    });
    using second = bash.move();
    second.expect(PROMPT);
    using third = bash.move();
    assertEquals(second.expectExit(), { kind: "exited", status: 0 });
    third.line("cat");
    waitUntil("cat in the foreground", () => bash.stat.tpgid !== bash.pid);
    third.line("through cat");
    third.expect("through cat\r\nthrough cat\r\n");
    third.press("^D");
    third.expect(PROMPT);
    third.line("exit 3");
    bash.expectEnd(third, 3);
  });
});
