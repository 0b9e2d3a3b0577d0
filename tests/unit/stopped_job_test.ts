import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { isStoppedJob, type Stoppable } from "../../src/reptyr/serve/stopped_job.ts";

const member = (pid: number, ppid: number, state: string): Stoppable => ({ pid, ppid, state });

describe("isStoppedJob", () => {
  const table: [string, Stoppable[], boolean][] = [
    ["one that is stopped", [member(2, 1, "T")], true],
    ["one that runs", [member(2, 1, "S")], false],
    ["one in a tracer's stop", [member(2, 1, "t")], false],
    ["a script, its command running", [member(2, 1, "T"), member(3, 2, "S")], true],
    ["the command of a script that waits", [member(2, 1, "S"), member(3, 2, "T")], false],
    ["half of a pipeline", [member(2, 1, "T"), member(3, 1, "S")], false],
    ["all of a pipeline", [member(2, 1, "T"), member(3, 1, "T")], true],
    ["nobody", [], false],
  ];
  for (const [what, members, wanted] of table) {
    it(what, () => assertEquals(isStoppedJob(members), wanted));
  }
});
