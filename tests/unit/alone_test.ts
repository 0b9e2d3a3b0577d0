import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RefusedError } from "../../src/errors.ts";
import { refuseAlone } from "../../src/reptyr/inspect/alone.ts";
import {
  othersInTheWay,
  othersOfGroup,
  type ProcessPlace,
} from "../../src/reptyr/inspect/job_members.ts";

const PTS1 = 34817;

const entry = (pid: number, ppid: number, pgrp: number, session: number, ttyNr = PTS1) =>
  ({ pid, ppid, pgrp, session, ttyNr }) satisfies ProcessPlace;

const shell = entry(100, 1, 100, 100);
const script = entry(200, 100, 200, 100);
const child = entry(201, 200, 200, 100);
const grandchild = entry(202, 201, 200, 100, 0);
const own = entry(203, 200, 200, 100);
const job = entry(300, 200, 300, 100);
const table = [grandchild, own, shell, script, child, job];
const pids = (entries: readonly ProcessPlace[]) => entries.map(({ pid }) => pid);

describe("othersInTheWay", () => {
  it("are the other processes of the group, when the target leads it", () => {
    assertEquals(pids(othersInTheWay(script, table)), [201, 202, 203]);
  });
  it("are none when the target leads no group, is alone in it, or leads the session", () => {
    assertEquals(pids(othersInTheWay(child, table)), []);
    assertEquals(pids(othersInTheWay(job, table)), []);
    const leader = entry(400, 1, 400, 400);
    assertEquals(pids(othersInTheWay(leader, [leader, entry(401, 400, 400, 400)])), []);
  });
});

describe("othersOfGroup", () => {
  it("are all processes of the group but the target, whichever process leads it", () => {
    assertEquals(pids(othersOfGroup(child, table)), [200, 202, 203]);
  });
});

describe("refuseAlone", () => {
  const refused = (target: ProcessPlace, among: readonly ProcessPlace[]) => {
    const call = () => refuseAlone({ pid: target.pid, command: "bash" }, target, among);
    const { message, remedies } = assertThrows(call, RefusedError);
    return [message, ...remedies];
  };

  it("refuses a session leader with others on its terminal", () => {
    assertEquals(refused(shell, [shell, script]), [
      "Cannot move process 100 (bash) alone: it leads the session of another process, which would " +
      "lose the terminal with it (200)",
      "To move them with it, run: reptyr 100",
      "To take over the whole terminal, run: reptyr --steal 100",
    ]);
    assertEquals(
      refused(shell, table)[0],
      "Cannot move process 100 (bash) alone: it leads the session of 4 other processes, which " +
        "would lose the terminal with it (203, 200, 201, 300)",
    );
  });
  it("refuses a session leader that would hang up a foreground group, even one without a terminal", () => {
    const leader = { ...shell, tpgid: grandchild.pgrp };
    assertEquals(
      refused(leader, [leader, grandchild])[0],
      "Cannot move process 100 (bash) alone: it leads the session of another process, which would " +
        "lose the terminal with it (202)",
    );
  });
  it("allows a target that leads no session, is alone in it, or has no terminal to give up", () => {
    refuseAlone({ pid: 200, command: "bash" }, script, table);
    refuseAlone({ pid: 100, command: "bash" }, shell, [shell, grandchild]);
    const background = { ...shell, tpgid: 300 };
    refuseAlone({ pid: 100, command: "bash" }, background, [background, grandchild]);
    const daemon = entry(500, 1, 500, 500, 0);
    refuseAlone({ pid: 500, command: "d" }, daemon, [daemon, entry(501, 500, 500, 500, 0)]);
  });
});
