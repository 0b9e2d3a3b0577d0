/**
 * Programs under seccomp filters that end them for any call but their own: moved, and with reptyr killed in the middle of
 * it. scripts/fault_sweep.ts --filter goes through all of a move; this is a sample.
 */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStatus } from "../../src/proc/status.ts";
import { lacks, requires32, requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft, SHAPES, Target } from "../support/e2e_target.ts";
import { WIDE } from "../support/input_run.ts";
import { FLAGS_32, isX86_64, requires, requiresThat, victim } from "../support/programs.ts";
import { killedMoving, KILLING_FILTERS } from "../support/sandbox_trial.ts";

const suspending = requiresCapability("seccomp_suspend", requires("cc", "bash"));
const killing = isX86_64
  ? requiresCapability("seccomp_suspend", requires("cc", "bash", "strace"))
  : requiresThat(false, "the moments of other processors are others: scripts/fault_sweep.ts");

describe("a program under a seccomp filter that kills it for calls of the move", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    suspending(`is moved, and is under its filter again: ${shape}`, () => {
      for (const filter of ["kill", "strict", "trap", "notify", "no-restart"]) {
        using target = Target.start(
          shape,
          [victim("sandboxed"), filter],
          (terminal) => terminal.expect("ready"),
        );
        using moved = target.move();
        assertEquals(readStatus(target.pid)?.seccomp, filter === "strict" ? 1 : 2);
        moved.line("hello");
        moved.expect("line: hello");
        moved.type("\x04");
        target.expectEnd(moved, 0);
      }
    });
  }

  suspending("is moved, with a warning, though the filter forbids what a safety net needs", () => {
    using target = Target.start(
      "session leader",
      [victim("sandboxed"), "no-sigreturn"],
      (terminal) => terminal.expect("ready"),
    );
    using moved = target.move(WIDE);
    moved.expect(
      `reptyr: warning: Process ${target.pid} may end if this reptyr is killed by SIGKILL while it moves it: ` +
        "its seccomp filter forbids rt_sigreturn(2)",
    );
    moved.line("hello");
    moved.expect("line: hello");
    moved.type("\x04");
    target.expectEnd(moved, 0);
  });

  suspending("is moved, and --verbose names what a killed reptyr would leave", () => {
    using target = Target.start(
      "session leader",
      [victim("sandboxed"), "wide"],
      (terminal) => terminal.expect("ready"),
    );
    using moved = target.move({ ...WIDE, args: ["--verbose"] });
    moved.expect(`The seccomp filter of process ${target.pid} forbids dup3, ioctl: `);
    moved.type("\x04");
    target.expectEnd(moved, 0);
  });
});

describe("reptyr is killed while it moves a program under a seccomp filter", () => {
  afterEach(assertNoneLeft);

  /** All along the way; and which filters. */
  const NUMBERS = [5, 14, 23, 33, 47, 62, 78, 94];

  const assertSurvives = (filter: string, shape: typeof SHAPES[number], flags: string[] = []) => {
    const outcomes = NUMBERS.map((number, index) => {
      // With each filter and shape at other moments.
      const moment = number + (KILLING_FILTERS.indexOf(filter) + index) % 5;
      const trial = killedMoving(filter, shape, moment, flags);
      const what = `${filter}, ${shape}: request ${moment}: ${trial.outcome}`;
      assert(trial.outcome !== "killed by its filter" || trial.inForbiddenCall, what);
      return trial.outcome;
    });
    // Before anything has been changed all is as it was.
    assertEquals(outcomes[0], "as before");
  };

  for (const filter of ["kill", "wide", "pointer"]) {
    killing(`the filter does not kill it: ${filter}, a session leader`, () => {
      assertSurvives(filter, "session leader");
    });
  }
  killing("the filter does not kill it: a shell's job", () => {
    assertSurvives("arguments", "foreground job");
  });
  (lacks("ia32") === undefined ? killing : requires32())(
    "the filter does not kill it: 32 bits",
    () => {
      assertSurvives("kill", "session leader", [...FLAGS_32]);
    },
  );

  killing("it becomes what it was, when the filter lets it undo all", () => {
    for (const number of [20, 45, 70]) {
      const trial = killedMoving("deny", "session leader", number);
      if (trial.inForbiddenCall) continue;
      assertEquals(trial.outcome, "as before", `request ${number}`);
    }
  });
});
