import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { haveRun } from "../../src/proc/runs.ts";

describe("haveRun", () => {
  const before = new Map([[10, 7], [11, 2]]);

  it("is false when each thread has been switched out as often as before", () => {
    assertEquals(haveRun(before, new Map([[11, 2], [10, 7]])), false);
  });

  it("is true when a thread has been switched out once more", () => {
    assertEquals(haveRun(before, new Map([[10, 7], [11, 3]])), true);
  });

  it("is true when a thread has ended, whatever the counts of the others", () => {
    assertEquals(haveRun(before, new Map([[10, 9]])), true);
  });

  it("is true when a thread has ended and another has begun", () => {
    assertEquals(haveRun(before, new Map([[10, 7], [12, 2]])), true);
  });
});
