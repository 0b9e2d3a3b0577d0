import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { interleave, runToCompletion, type Steps } from "../../src/tracee/steps.ts";

function* count(name: string, steps: number, log: string[]): Steps<string> {
  for (let step = 1; step <= steps; step++) {
    log.push(`${name}${step}`);
    yield;
  }
  return name;
}

function* failing(name: string, steps: number, log: string[]): Steps<string> {
  yield* count(name, steps, log);
  throw new Error(name);
}

describe("steps", () => {
  it("of several are made in turns, and their results are in order", () => {
    const log: string[] = [];
    assertEquals(interleave([count("a", 3, log), count("b", 1, log), count("c", 2, log)]), [
      "a",
      "b",
      "c",
    ]);
    assertEquals(log, ["a1", "b1", "c1", "a2", "c2", "a3"]);
  });

  it("are made to the end where others fail, and the first failure is told", () => {
    const log: string[] = [];
    const all = [failing("a", 2, log), failing("b", 1, log), count("c", 3, log)];
    assertThrows(() => interleave(all), Error, "b");
    assertEquals(log, ["a1", "b1", "c1", "a2", "c2", "c3"]);
  });

  it("of one come to what it returns", () => {
    const log: string[] = [];
    assertEquals(runToCompletion(count("a", 2, log)), "a");
    assertEquals(log, ["a1", "a2"]);
    assertEquals(interleave([]), []);
  });
});
