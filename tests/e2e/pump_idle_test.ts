import { assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft, SHAPES, Target } from "../support/e2e_target.ts";
import { Moved, startDetached, switchesOf } from "../support/input_run.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";

/** Let a second pass by the clock of a process of its own: both terminals are served meanwhile. */
function letASecondPass(): void {
  using clock = startDetached(["sleep", "1"]);
  waitUntil("a second to pass", () => clock.handle.ended, {
    descriptors: [clock.handle.descriptor],
  });
}

/** User and system time of all threads, in clock ticks: fields 14 and 15 of proc_pid_stat(5). */
function ticksOf(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

describe("reptyr with nothing to do", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requiresCompiler(`uses no processor time, and wakes for a key: ${shape}`, () => {
      using target = Target.start(
        shape,
        [victim("command")],
        (terminal) => terminal.expect("ready"),
      );
      using moved = Moved.to(target.pid);
      moved.terminal.line("hello");
      moved.terminal.expect("line: hello");
      let before = "";
      waitUntil("a second in which no thread of reptyr runs", () => {
        before = switchesOf(moved.reptyr);
        letASecondPass();
        return switchesOf(moved.reptyr) === before;
      });
      const ticks = ticksOf(moved.reptyr);
      letASecondPass();
      assertEquals(switchesOf(moved.reptyr), before);
      assertEquals(ticksOf(moved.reptyr), ticks);
      moved.terminal.line("exit 8");
      moved.expectEnd(8);
    });
  }
});
