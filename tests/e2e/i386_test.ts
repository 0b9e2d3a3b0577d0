/** 32-bit programs moved by the 64-bit executable. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { requires32 } from "../support/capabilities.ts";
import { assertNoneLeft, SHAPES, Target } from "../support/e2e_target.ts";
import { FLAGS_32, victim } from "../support/programs.ts";
import type { Terminal } from "../support/terminal.ts";
import { untilThreadsRun } from "../support/victim.ts";

function echoes(terminal: Terminal, text: string): void {
  terminal.line(text);
  terminal.expect(`line: ${text}`);
}

describe("reptyr moves 32-bit programs", () => {
  afterEach(assertNoneLeft);
  const test = requires32();

  for (const shape of SHAPES) {
    test(`a program that reads lines, ${shape}`, () => {
      using target = Target.start(shape, [victim("command", FLAGS_32)], (terminal) => {
        terminal.expect("ready");
        echoes(terminal, "before");
      });
      using moved = target.move({ rows: 30, columns: 90 });
      moved.line("report");
      const { pid } = target;
      const found = moved.expect(
        new RegExp(
          `report pid=${pid} sid=${pid} pgid=${pid} fg=${pid} ctty=yes size=30x90 ` +
            "fds: 0=(/dev/pts/\\d+):\\d+ 1=\\1:\\d+ 2=\\1:\\d+[\r ]",
        ),
      );
      assert(found[1] !== target.terminal.device && found[1] !== moved.device);
      echoes(moved, "after");
      assertEquals(target.terminal.output.includes("after"), false);
      moved.line("exit 7");
      target.expectEnd(moved, 7);
    });

    for (const way of ["level", "edge", "oneshot"]) {
      test(`a program that waits in epoll_wait(), ${way}, ${shape}`, () => {
        const argv = [victim("epoll", FLAGS_32), way];
        using target = Target.start(shape, argv, (terminal) => {
          terminal.expect("ready");
          terminal.line("before");
          terminal.expect("line: before");
        });
        using moved = target.move();
        for (const text of ["first", "second"]) {
          moved.line(text);
          moved.expect(`event 0x1 data 0x1122334455667788 line: ${text}\r`);
        }
        assertEquals(moved.output.includes("interrupted"), false);
        moved.press("^D");
        target.expectEnd(moved, 0);
      });
    }

    test(`a program that has left its stack, where its safety net would be, ${shape}`, () => {
      using target = Target.start(shape, [victim("stackless", FLAGS_32)], (terminal) => {
        terminal.expect("ready");
        echoes(terminal, "before");
      });
      using moved = target.move();
      echoes(moved, "after");
      assertEquals(target.terminal.output.includes("after"), false);
      moved.press("^D");
      target.expectEnd(moved, 0);
    });

    test(`a program with threads that compute, ${shape}`, () => {
      using target = Target.start(
        shape,
        [victim("threads", FLAGS_32), "busy", "2"],
        (terminal) => untilThreadsRun(Number(terminal.expect(/ready (\d+)/)[1])),
      );
      using moved = target.move();
      moved.line("count");
      moved.expect(/count -?\d+\r/);
      moved.press("^C");
      target.expectEnd(moved, 130);
    });
  }

  test("a program that a 64-bit shell script waits for, with the script", () => {
    const script = `${victim("command", FLAGS_32)}; echo "ended with $?"; exit 5`;
    using target = Target.start("foreground job", ["sh", "-c", script], (terminal) => {
      terminal.expect("ready");
      echoes(terminal, "before");
    });
    using moved = target.move();
    echoes(moved, "after");
    assertEquals(target.terminal.output.includes("after"), false);
    moved.line("exit 7");
    moved.expect("ended with 7\r");
    target.expectEnd(moved, 5);
  });
});
