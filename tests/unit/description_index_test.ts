import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Compare,
  DescriptionIndex,
} from "../../src/reptyr/move/descriptors/description_index.ts";

/** Groups descriptors 0, 1, ... of processes 1, 2, ... whose descriptions have these places in the order. */
function group(places: readonly (readonly number[])[], compare: Compare) {
  let [count, comparisons] = [0, 0];
  const index = new DescriptionIndex<number>((...two) => {
    comparisons++;
    return compare(...two);
  });
  const found = places.map((fds, pid) => fds.map((_, fd) => index.get(pid + 1, fd, () => count++)));
  return { found, count, comparisons };
}

function byPlace(places: readonly (readonly number[])[]): Compare {
  return (pid1, fd1, pid2, fd2) => {
    const [one, other] = [places[pid1 - 1]![fd1]!, places[pid2 - 1]![fd2]!];
    if (one === other) return "same";
    return one < other ? "before" : "after";
  };
}

/** The numbers below `count` in some order that is neither ascending nor descending; `factor` shares no divisor with it. */
function mixed(count: number, factor: number): number[] {
  return Array.from({ length: count }, (_, index) => index * factor % count);
}

describe("DescriptionIndex", () => {
  it("finds descriptions shared within a process and between processes", () => {
    const places = [[7, 3, 7], [3, 5, 3, 7]];
    const { found, count } = group(places, byPlace(places));
    assertEquals(found, [[0, 1, 0], [1, 2, 1, 0]]);
    assertEquals(count, 3);
  });

  it("needs some tens of thousands of comparisons for thousands of descriptions, not millions", () => {
    const orders = [
      mixed(2000, 1),
      mixed(2000, 1).reverse(),
      mixed(2000, 777),
    ];
    for (const first of orders) {
      // A second process has inherited all of them.
      const places = [first, mixed(2000, 1333).map((at) => first[at]!)];
      const { found, count, comparisons } = group(places, byPlace(places));
      assertEquals(count, 2000);
      places[1]!.forEach((place, fd) =>
        assertEquals(found[1]![fd], found[0]![first.indexOf(place)])
      );
      assert(comparisons <= 2 * 2000 * 12, `${comparisons}`);
    }
  });

  it("takes all descriptors for different when the kernel cannot compare them", () => {
    const { found } = group([[1, 1], [1]], () => "unknown");
    assertEquals(found, [[0, 1], [2]]);
  });
});
