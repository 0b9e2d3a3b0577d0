import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { firstOf } from "../../src/errors.ts";
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
  it("of several tracees run in turns, and their results are in order", () => {
    const log: string[] = [];
    assertEquals(interleave([count("a", 3, log), count("b", 1, log), count("c", 2, log)]), [
      "a",
      "b",
      "c",
    ]);
    assertEquals(log, ["a1", "b1", "c1", "a2", "c2", "a3"]);
  });

  it("run to the end when others fail, and every failure is kept, the first one first", () => {
    const log: string[] = [];
    const all = [failing("a", 2, log), failing("b", 1, log), count("c", 3, log)];
    const error = assertThrows(() => interleave(all), AggregateError, "b; a");
    assertEquals(error.errors.map(({ message }) => message), ["b", "a"]);
    assertEquals(firstOf(error), error.errors[0]);
    assertEquals(firstOf(new SuppressedError(new Error("undoing"), error)), error.errors[0]);
    assertEquals(log, ["a1", "b1", "c1", "a2", "c2", "c3"]);
  });

  it("run to the end when one fails, and its error is thrown as it is", () => {
    const log: string[] = [];
    const error = assertThrows(() => interleave([failing("a", 1, log), count("b", 2, log)]));
    assertEquals((error as Error).message, "a");
    assertEquals(error instanceof AggregateError, false);
    assertEquals(log, ["a1", "b1", "b2"]);
  });

  it("of one tracee return the value of its generator", () => {
    const log: string[] = [];
    assertEquals(runToCompletion(count("a", 2, log)), "a");
    assertEquals(log, ["a1", "a2"]);
    assertEquals(interleave([]), []);
  });
});
