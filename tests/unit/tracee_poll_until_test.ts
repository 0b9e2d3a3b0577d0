import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { pollUntilNone } from "../../src/tracee/poll_until.ts";

/** Polls `count` elements, of which number `index` is done after `needed(index)` polls: polls of each, and pauses. */
function poll(
  count: number,
  needed: (index: number) => number,
): { polls: number[]; pauses: number } {
  const polls = new Array<number>(count).fill(0);
  let pauses = 0;
  const all = polls.map((_, index) => index);
  pollUntilNone(all, (index) => ++polls[index]! < needed(index), () => void pauses++);
  return { polls, pauses };
}

describe("pollUntilNone", () => {
  it("polls each once, without a pause, when nothing has to be waited for", () => {
    assertEquals(poll(3, () => 1), { polls: [1, 1, 1], pauses: 0 });
    assertEquals(poll(0, () => 1), { polls: [], pauses: 0 });
  });

  it("polls the unfinished ones again, until all are done", () => {
    assertEquals(poll(3, (index) => index + 1), { polls: [1, 2, 3], pauses: 2 });
  });

  it("gives up on one that is never done, and sooner when there are many", () => {
    assertEquals(poll(1, () => Infinity), { polls: [30], pauses: 30 });
    assertEquals(poll(100, () => Infinity).polls[0], 3);
    assertEquals(poll(1000, () => Infinity).polls[0], 1);
  });
});
