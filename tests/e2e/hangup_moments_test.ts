/**
 * The old terminal hangs up in the middle of a move: a sample of `scripts/fault_sweep.ts --hangup`, which goes through all
 * moments. reptyr is stopped after its Nth request to ptrace(2), and so on: no moment is one of chance.
 */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { HANGUP_SHAPES, type HangupShape, hungUpAfter } from "../support/hangup_trial.ts";
import { requires } from "../support/programs.ts";

/** A call in a target's name is four requests: some in the middle of one, some between two. */
const STEP = 13;

/** reptyr's own calls by which it looks at the old terminal; in the same way for all shapes. */
const LOOKS = ["ioctl", "pidfd_getfd"];

/** What becomes of a target at every `step`th call from the first to the last of a move. */
function outcomes(shape: HangupShape, call: string, step: number): string[] {
  const all: string[] = [];
  for (let number = 1;; number += step) {
    const { outcome } = hungUpAfter(shape, call, number);
    if (outcome === "not struck") return all;
    all.push(outcome);
  }
}

describe("a terminal that hangs up in the middle of the move", () => {
  afterEach(assertNoneLeft);

  for (const shape of HANGUP_SHAPES) {
    requires("strace", "python3", "bash")(`counts as dead from then on: ${shape}`, () => {
      const found = outcomes(shape, "ptrace", STEP);
      assert(found.length >= 5, `${found.length} moments`);
      const looks = shape === "alone" ? LOOKS : [];
      for (const call of looks) found.push(...outcomes(shape, call, STEP));
      // It could be refused, too, in words that name the dead terminal; that is not needed at any moment.
      assertEquals(found.filter((outcome) => outcome !== "moved"), []);
    });
  }

  requires("strace", "python3", "bash")(
    "sends no SIGTERM to a job that its shell takes for stopped",
    () => {
      // SIGSTOP is the first that reptyr sends, SIGCONT the second; until the target goes on its shell knows of the first alone.
      assertEquals(hungUpAfter("foreground job", "kill", 2).outcome, "moved");
    },
  );
});
