import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { isStoppedJob, type Stoppable } from "../../src/reptyr/serve/stopped_job.ts";

const member = (pid: number, ppid: number, state: string): Stoppable => ({ pid, ppid, state });

describe("isStoppedJob", () => {
  const table: [string, Stoppable[], boolean][] = [
    ["a stopped process: true", [member(2, 1, "T")], true],
    ["a running process: false", [member(2, 1, "S")], false],
    ["a process in a tracer's stop: false", [member(2, 1, "t")], false],
    ["a stopped script with a running command: true", [member(2, 1, "T"), member(3, 2, "S")], true],
    [
      "a waiting script with a stopped command: false",
      [member(2, 1, "S"), member(3, 2, "T")],
      false,
    ],
    ["half of a pipeline stopped: false", [member(2, 1, "T"), member(3, 1, "S")], false],
    ["all of a pipeline stopped: true", [member(2, 1, "T"), member(3, 1, "T")], true],
    ["no process: false", [], false],
  ];
  for (const [what, members, wanted] of table) {
    it(what, () => assertEquals(isStoppedJob(members), wanted));
  }
});
