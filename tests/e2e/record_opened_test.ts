/** What is called as a job record, and is none, costs root's reptyr nothing: it is not even opened. */
import { assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { formatRecord } from "../../src/reptyr/record/job_record.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import { identityOf, startHolder } from "../support/forged_record.ts";
import { AS_NOBODY, NOBODY } from "../support/input_run.ts";
import { publicVictim } from "../support/input_victims.ts";
import { requiresCompiler } from "../support/programs.ts";

const asRoot = requiresCapability(["users", "memfd", "mountns"], requiresCompiler);

/** By what they are, what makes them with tests/victims/record.c. `pid` is to be moved. */
const LIES: Readonly<Record<string, (pid: number) => string[]>> = {
  "a FIFO": () => ["fifo", "user", `${NOBODY}`],
  "a device": () => ["device", "user", `${NOBODY}`],
  "a gigabyte of nothing": () => ["sparse", `${1 << 30}`, "user", `${NOBODY}`],
  "garbage": () => ["memfd", "\u001b[2J{}", "user", `${NOBODY}`],
  "deep JSON": () => ["memfd", "[".repeat(60_000), "user", `${NOBODY}`],
  "great numbers": () => ["memfd", '{"target":{"pid":1e308,"startTime":"1"},"shields":[]}'],
  "a record that may change": (pid) => ["unsealed", recordOf(pid), "user", `${NOBODY}`],
  "two records": (pid) => ["memfd", recordOf(pid), "memfd", recordOf(pid)],
};

function recordOf(pid: number): string {
  return formatRecord({ target: identityOf(pid), groups: [], shields: [] });
}

describe("reptyr and a process with a file that has the name of a record", () => {
  afterEach(assertNoneLeft);

  for (const [what, args] of Object.entries(LIES)) {
    asRoot(`moves the program in spite of ${what}`, () => {
      using target = Target.start(
        "foreground job",
        [...AS_NOBODY, publicVictim("command")],
        (terminal) => terminal.expect("ready"),
      );
      using holder = startHolder(args(target.pid), []);
      using moved = target.move();
      moved.line("hello");
      moved.expect("line: hello");
      moved.line("exit 3");
      target.expectEnd(moved, 3);
      assertEquals(holder.output.match(/opened/g), null);
    });
  }
});
