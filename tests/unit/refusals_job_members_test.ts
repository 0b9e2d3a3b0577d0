import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ancestorsOf,
  descendantsOf,
  earlierHelpers,
  jobMembers,
  type ProcessEntry,
} from "../../src/reptyr/job_members.ts";

const PTS3 = 34819;
const SELF = 900;

/** pid, parent, group, session; on pts/3 unless said otherwise. */
const entry = (pid: number, ppid: number, pgrp: number, session: number, ttyNr = PTS3) =>
  ({ pid, ppid, pgrp, session, ttyNr }) satisfies ProcessEntry;

const INIT = entry(1, 0, 1, 1, 0);
const SHELL = entry(100, 1, 100, 100);
const VIM = entry(200, 100, 200, 100);
const MAKE = entry(300, 100, 300, 100);
const CC = entry(301, 300, 300, 100);
const DAEMON = entry(302, 300, 302, 302, 0);
const OTHER_SHELL = entry(400, 1, 400, 400, PTS3 + 1);
const REPTYR = entry(SELF, 400, SELF, 400, PTS3 + 1);
const TABLE = [INIT, SHELL, VIM, MAKE, CC, DAEMON, OTHER_SHELL, REPTYR];

const members = (target: ProcessEntry, table: ProcessEntry[] = TABLE) =>
  jobMembers(target, table, SELF).map(({ pid }) => pid);

describe("jobMembers", () => {
  it("finds none for a job of one process", () => assertEquals(members(VIM), []));
  it("finds the others of the group", () => assertEquals(members(MAKE), [301]));
  it("finds the leader for a mere member of a group", () => assertEquals(members(CC), [300]));
  it("finds all jobs of a shell", () => assertEquals(members(SHELL), [200, 300, 301]));
  it("finds none for a shell that does nothing", () => {
    assertEquals(members(SHELL, [INIT, SHELL, DAEMON]), []);
  });
  it("finds the rest of the session for its leader, also what is no descendant any more", () => {
    assertEquals(members(SHELL, [SHELL, entry(250, 1, 250, 100)]), [250]);
  });
  it("leaves those of the session that have another terminal", () => {
    assertEquals(members(SHELL, [SHELL, entry(251, 1, 251, 100, 9)]), []);
  });
  it("finds a descendant in another group of the same terminal", () => {
    assertEquals(members(VIM, [VIM, entry(201, 200, 201, 100), entry(202, 201, 202, 100)]), [
      201,
      202,
    ]);
  });
  it("leaves a descendant that has gone to another terminal or none", () => {
    assertEquals(
      members(VIM, [VIM, entry(201, 200, 201, 201, 9), entry(202, 200, 202, 202, 0)]),
      [],
    );
  });
  it("takes no terminal on both sides for nothing in common", () => {
    const target = entry(500, 1, 500, 500, 0);
    assertEquals(members(target, [target, entry(501, 500, 501, 501, 0)]), []);
  });
  it("finds the group of a target without a terminal", () => {
    const target = entry(500, 1, 500, 500, 0);
    assertEquals(members(target, [target, entry(501, 500, 500, 500, 0)]), [501]);
  });
  it("never counts this reptyr, as in a script without job control", () => {
    const target = entry(200, 100, 100, 100);
    assertEquals(members(target, [target, entry(SELF, 100, 100, 100)]), []);
  });
  it("has with a session leader also those who lost the terminal to an earlier move", () => {
    const job = entry(500, 100, 500, 100, 0);
    assertEquals(members(SHELL, [SHELL, job]), [500]);
    assertEquals(members({ ...SHELL, ttyNr: 0 }, [SHELL, job]), []);
  });
  it("finds a descendant that uses its terminal, whatever its own is", () => {
    const target = { ...VIM, ttyNr: 0 };
    const table = [
      target,
      entry(201, 200, 201, 201, 9),
      entry(202, 200, 202, 202, 0),
      entry(203, 1, 1, 1),
    ];
    assertEquals(jobMembers(target, table, SELF, () => true).map(({ pid }) => pid), [201, 202]);
    assertEquals(jobMembers(target, table, SELF, (pid) => pid === 202).map(({ pid }) => pid), [
      202,
    ]);
  });
  it("sorts by number", () => {
    assertEquals(members(VIM, [entry(203, 1, 200, 100), entry(201, 1, 200, 100), VIM]), [201, 203]);
  });
});

describe("a job that was moved before", () => {
  // The shell 100 on pts/3 had 200 | 201 | 202 as a job, with 203 below; now 200 leads a session on pts/4.
  const PTS4 = PTS3 + 1;
  const target = entry(200, 100, 200, 200, PTS4);
  const helpers = [entry(201, 100, 201, 100), entry(202, 100, 201, 100), entry(203, 200, 201, 100)];
  const later = entry(204, 200, 200, 200, PTS4);
  const server = entry(300, 400, 300, 400, 9);
  const table = [SHELL, target, ...helpers, later, server];
  const users = (...pids: number[]) => (pid: number) => pids.includes(pid);
  const found = (table: ProcessEntry[], uses: (pid: number) => boolean, of = target) =>
    jobMembers(of, table, SELF, uses).map(({ pid }) => pid);

  it("is still one", () => {
    assertEquals(found(table, users(200, 201, 202, 203, 204)), [201, 202, 203, 204]);
    assertEquals(earlierHelpers(target, table, users(201, 202)).map(({ pid }) => pid), [
      201,
      202,
      203,
    ]);
  });
  it("has also those of its group who use no terminal", () => {
    assertEquals(found(table, users(200, 202)), [201, 202, 203, 204]);
  });
  it("is still one when the shell has ended", () => {
    const orphans = [target, ...helpers, later].map((one) => (
      { ...one, ppid: one.ppid === 100 ? 1 : one.ppid, ttyNr: one.session === 100 ? 0 : one.ttyNr }
    ));
    assertEquals(found([INIT, ...orphans], users(200, 201, 202), orphans[0]), [201, 202, 203, 204]);
  });
  it("has the script whose command the target is, though that leads the old session", () => {
    const script = entry(100, 50, 100, 100);
    const command = entry(200, 100, 200, 200, PTS4);
    assertEquals(found([INIT, script, command], users(100, 200), command), [100]);
  });
  it("leaves the shell, its other jobs and the terminal's server, none of which uses the terminal", () => {
    const other = entry(250, 100, 250, 100);
    assertEquals(found([...table, other], users(200, 201)), [201, 202, 203, 204]);
  });
  it("leaves daemons, and children of a shell without a terminal of its own", () => {
    const daemon = entry(260, 100, 260, 260, 0);
    assertEquals(found([SHELL, target, daemon], () => true), [100]);
    const su = { ...target, ttyNr: 0 };
    assertEquals(found([SHELL, su, daemon], () => true, su), []);
  });
  it("counts no helper that called setsid() itself, or is below one that did", () => {
    const own = [entry(210, 200, 210, 210, 0), entry(211, 210, 210, 210, 0)];
    assertEquals(found([SHELL, target, ...own], users(210, 211)), [210, 211]);
    assertEquals(
      earlierHelpers(target, [target, ...own], users(210, 211)).map(({ pid }) => pid),
      [],
    );
  });
});

describe("ancestorsOf and descendantsOf", () => {
  it("walk up and down", () => {
    assertEquals(ancestorsOf(301, TABLE), [300, 100, 1]);
    assertEquals([...descendantsOf(100, TABLE)].sort(), [200, 300, 301, 302]);
    assertEquals(ancestorsOf(4242, TABLE), []);
    assertEquals([...descendantsOf(4242, TABLE)], []);
  });
  it("end also in a table that was read while pids were used again", () => {
    const circle = [entry(2, 3, 2, 2), entry(3, 2, 3, 2)];
    assertEquals(ancestorsOf(2, circle), [3, 2]);
    assertEquals([...descendantsOf(2, circle)], [3]);
  });
});
