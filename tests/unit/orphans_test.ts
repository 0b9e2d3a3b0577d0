import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type GroupMember, isOrphaned } from "../../src/reptyr/frontend/orphans.ts";

const entry = (pid: number, ppid: number, pgrp: number, session: number): GroupMember => ({
  pid,
  ppid,
  pgrp,
  session,
});

/** A terminal emulator, its shell, and what that has started. */
const EMULATOR = entry(50, 1, 50, 50);
const SHELL = entry(100, 50, 100, 100);

describe("isOrphaned", () => {
  const table: [string, number, GroupMember[], boolean][] = [
    ["a job of a shell is not", 200, [SHELL, entry(200, 100, 200, 100)], false],
    ["the shell's own group, its parent in another session, is", 100, [EMULATOR, SHELL], true],
    [
      "the group of a session leader without a parent in sight is",
      100,
      [entry(100, 0, 100, 100)],
      true,
    ],
    ["a job whose shell has ended is", 200, [entry(1, 0, 1, 1), entry(200, 1, 200, 100)], true],
    ["a job whose parent is not in the table is", 200, [entry(200, 100, 200, 100)], true],
    [
      "a moved target, in a session of its own, is",
      200,
      [SHELL, entry(200, 100, 200, 200)],
      true,
    ],
    [
      "a group of which one member has a shell is not",
      200,
      [SHELL, entry(200, 1, 200, 100), entry(201, 100, 200, 100)],
      false,
    ],
    [
      "parents within the group do not count",
      200,
      [entry(200, 1, 200, 100), entry(201, 200, 200, 100), entry(202, 201, 200, 100)],
      true,
    ],
    [
      "the parent of a member need not be a session leader",
      300,
      [SHELL, entry(200, 100, 200, 100), entry(300, 200, 300, 100)],
      false,
    ],
    ["groups beside it do not count", 300, [
      SHELL,
      entry(200, 100, 200, 100),
      entry(300, 1, 300, 100),
    ], true],
    ["a group that there is not is", 400, [SHELL, entry(200, 100, 200, 100)], true],
  ];
  for (const [what, pgrp, processes, wanted] of table) {
    it(what, () => {
      assertEquals(isOrphaned(pgrp, processes), wanted);
      assertEquals(isOrphaned(pgrp, processes.toReversed()), wanted);
    });
  }
});
