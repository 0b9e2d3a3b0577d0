import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { haveRun } from "../../src/proc/runs.ts";

describe("threads have run", () => {
  const before = new Map([[10, 7], [11, 2]]);

  it("not when each has left its processor as often as before", () => {
    assertEquals(haveRun(before, new Map([[11, 2], [10, 7]])), false);
  });

  it("when one has left it once more", () => {
    assertEquals(haveRun(before, new Map([[10, 7], [11, 3]])), true);
  });

  it("when one has ended, also where another has run as often as that one had", () => {
    assertEquals(haveRun(before, new Map([[10, 9]])), true);
  });

  it("when one has ended and another has begun", () => {
    assertEquals(haveRun(before, new Map([[10, 7], [12, 2]])), true);
  });
});
