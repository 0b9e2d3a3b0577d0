import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { pollUntilNone } from "../../src/tracee/poll_until.ts";

/** How often each of `count` is looked at, if number `index` needs `needed(index)` looks, and how often it was paused. */
function look(
  count: number,
  needed: (index: number) => number,
): { looks: number[]; pauses: number } {
  const looks = new Array<number>(count).fill(0);
  let pauses = 0;
  const all = looks.map((_, index) => index);
  pollUntilNone(all, (index) => ++looks[index]! < needed(index), () => void pauses++);
  return { looks, pauses };
}

describe("lookUntilNone", () => {
  it("looks once, without a pause, where there is nothing to wait for", () => {
    assertEquals(look(3, () => 1), { looks: [1, 1, 1], pauses: 0 });
    assertEquals(look(0, () => 1), { looks: [], pauses: 0 });
  });

  it("goes on with those that are left, until there is none", () => {
    assertEquals(look(3, (index) => index + 1), { looks: [1, 2, 3], pauses: 2 });
  });

  it("gives up one that never changes, and many of them sooner", () => {
    assertEquals(look(1, () => Infinity), { looks: [30], pauses: 30 });
    assertEquals(look(100, () => Infinity).looks[0], 3);
    assertEquals(look(1000, () => Infinity).looks[0], 1);
  });
});
