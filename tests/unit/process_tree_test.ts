import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ancestorsOf, type Kin, parentsFirst } from "../../src/reptyr/inspect/process_tree.ts";

const kin = (pid: number, ppid: number): Kin => ({ pid, ppid });

/** A script with the number of a later process, since numbers wrap; its child and grandchild; and another child. */
const TABLE = [kin(1, 0), kin(50, 1), kin(20, 30), kin(30, 900), kin(40, 900), kin(900, 50)];

describe("ancestorsOf", () => {
  const table: [string, number[], Kin[], number[]][] = [
    ["are all processes up to the first", [20], TABLE, [30, 900, 50, 1]],
    ["of several processes are their union", [20, 40], TABLE, [30, 900, 50, 1]],
    ["of a process that the table lacks: none", [77], TABLE, []],
    ["end where the table lacks a parent", [2], [kin(2, 3), kin(3, 4)], [3, 4]],
    ["end also when the table has a cycle", [2], [kin(2, 3), kin(3, 4), kin(4, 3)], [3, 4]],
  ];
  for (const [what, pids, processes, wanted] of table) {
    it(what, () => assertEquals(ancestorsOf(pids, processes), new Set(wanted)));
  }
});

describe("parentsFirst", () => {
  it("sorts a parent before its child, whatever their PIDs", () => {
    const some = TABLE.filter(({ pid }) => pid !== 1 && pid !== 50);
    for (const given of [some, some.toReversed()]) {
      const order = parentsFirst(given, TABLE).map(({ pid }) => pid);
      assertEquals([order[0], order[3]], [900, 20]);
      assertEquals(order.slice(1, 3).sort(), [30, 40]);
    }
  });
});
