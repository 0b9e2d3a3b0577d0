import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ancestorsOf,
  bystandersOf,
  descendantsOf,
  type Evidence,
  jobMembers,
  leftInOldSession,
  type ProcessEntry,
} from "../../src/reptyr/inspect/job_members.ts";

const PTS3 = 34819;
const SELF = 900;

/** pid, parent, group, session; on pts/3 unless said otherwise. */
const entry = (pid: number, ppid: number, pgrp: number, session: number, ttyNr = PTS3) =>
  ({ pid, ppid, pgrp, session, ttyNr, tpgid: -1, startTime: BigInt(pid) }) satisfies ProcessEntry;

const INIT = entry(1, 0, 1, 1, 0);
const SHELL = entry(100, 1, 100, 100);
const VIM = entry(200, 100, 200, 100);
const MAKE = entry(300, 100, 300, 100);
const CC = entry(301, 300, 300, 100);
const DAEMON = entry(302, 300, 302, 302, 0);
const OTHER_SHELL = entry(400, 1, 400, 400, PTS3 + 1);
const REPTYR = entry(SELF, 400, SELF, 400, PTS3 + 1);
const TABLE = [INIT, SHELL, VIM, MAKE, CC, DAEMON, OTHER_SHELL, REPTYR];

const pids = (entries: readonly { readonly pid: number }[]) => entries.map(({ pid }) => pid);
const members = (target: ProcessEntry, table: ProcessEntry[] = TABLE, evidence?: Evidence) =>
  pids(jobMembers(target, table, SELF, evidence));
/** Those have a descriptor on the terminal that is left. */
const users = (...pids: number[]) => ({ usesTerminal: (pid: number) => pids.includes(pid) });
const ALL = { usesTerminal: () => true };

describe("jobMembers", () => {
  it("finds none for a job of one process", () => assertEquals(members(VIM), []));
  it("finds the others of the group", () => assertEquals(members(MAKE), [301]));
  it("finds the leader of the group, when the target is a mere member", () =>
    assertEquals(members(CC), [300]));
  it("finds all jobs of a shell", () => assertEquals(members(SHELL), [200, 300, 301]));
  it("finds none for an idle shell", () => {
    assertEquals(members(SHELL, [INIT, SHELL, DAEMON]), []);
  });
  it("finds the whole session for its leader, also processes that are no longer its descendants", () => {
    assertEquals(members(SHELL, [SHELL, entry(250, 1, 250, 100)]), [250]);
  });
  it("leaves out processes of the session with another terminal", () => {
    assertEquals(members(SHELL, [SHELL, entry(251, 1, 251, 100, 9)]), []);
  });
  it("leaves out processes of the session that gave up the terminal and are not below its leader", () => {
    const daemon = entry(251, 1, 251, 100, 0);
    assertEquals(members(SHELL, [SHELL, daemon]), []);
    assertEquals(members(SHELL, [SHELL, daemon], users(251)), [251]);
  });
  it("includes the foreground group of the session, which would be hung up with the terminal", () => {
    const foreground = entry(251, 1, 250, 100, 0);
    assertEquals(members({ ...SHELL, tpgid: 250 }, [SHELL, foreground]), [251]);
  });
  it("finds a descendant in another group of the same terminal", () => {
    assertEquals(members(VIM, [VIM, entry(201, 200, 201, 100), entry(202, 201, 202, 100)]), [
      201,
      202,
    ]);
  });
  it("leaves out a descendant that has gone to another terminal or to none", () => {
    assertEquals(
      members(VIM, [VIM, entry(201, 200, 201, 201, 9), entry(202, 200, 202, 202, 0)]),
      [],
    );
  });
  it("leaves out a descendant on a terminal of the same number in another session", () => {
    assertEquals(members(VIM, [VIM, entry(201, 200, 201, 201)]), []);
  });
  it("does not count having no terminal as a shared terminal", () => {
    const target = entry(500, 1, 500, 500, 0);
    assertEquals(members(target, [target, entry(501, 500, 501, 501, 0)]), []);
  });
  it("finds the processes of the group below a target without a terminal", () => {
    const target = entry(500, 1, 500, 500, 0);
    assertEquals(members(target, [target, entry(501, 500, 500, 500, 0)]), [501]);
  });
  it("never includes this reptyr, as in a script without job control", () => {
    const target = entry(200, 100, 100, 100);
    assertEquals(members(target, [target, entry(SELF, 100, 100, 100)]), []);
  });
  it("includes, for a session leader, processes that lost the terminal to an earlier move", () => {
    const job = entry(500, 100, 500, 100, 0);
    assertEquals(members(SHELL, [SHELL, job]), [500]);
    assertEquals(members({ ...SHELL, ttyNr: 0 }, [SHELL, job]), []);
  });
  it("finds a descendant that uses the terminal, whatever its controlling terminal is", () => {
    const target = { ...VIM, ttyNr: 0 };
    const table = [
      target,
      entry(201, 200, 201, 201, 9),
      entry(202, 200, 202, 202, 0),
      entry(203, 1, 1, 1),
    ];
    assertEquals(members(target, table, ALL), [201, 202]);
    assertEquals(members(target, table, users(202)), [202]);
  });
  it("sorts by PID", () => {
    assertEquals(members(VIM, [entry(203, 1, 200, 100), entry(201, 1, 200, 100), VIM]), [201, 203]);
  });
});

describe("a process group of which only a part is the job", () => {
  // at(1): the daemon 500 has forked 501, which runs 502, whose child 503 is the target; none has a terminal.
  const atd = entry(500, 1, 500, 500, 0);
  const waiting = entry(501, 500, 500, 500, 0);
  const sh = entry(502, 501, 500, 500, 0);
  const target = entry(503, 502, 500, 500, 0);
  const below = entry(504, 503, 500, 500, 0);
  const table = [INIT, atd, waiting, sh, target, below];

  it("includes only processes below the target, when the group has no terminal", () => {
    assertEquals(members(target, table), [504]);
    assertEquals(members(sh, table), [503, 504]);
  });
  it("names the rest of the group as bystanders", () => {
    const staying = bystandersOf(target, table, jobMembers(target, table, SELF));
    assertEquals(pids(staying), [500, 501, 502]);
  });
  it("includes a process with descriptors on a dead terminal, and no daemon of the same group", () => {
    const cat = entry(601, 1, 600, 100, 0);
    const daemon = entry(602, 1, 600, 100, 0);
    const less = entry(600, 1, 600, 100, 0);
    const table = [INIT, less, cat, daemon];
    assertEquals(members(less, table, users(600, 601)), [601]);
    assertEquals(pids(bystandersOf(less, table, jobMembers(less, table, SELF, users(601)))), [602]);
  });
  it("includes a supervisor that is in the group and on the terminal, subreaper or not", () => {
    const supervisor = entry(200, 100, 200, 100);
    const child = entry(201, 200, 200, 100);
    assertEquals(members(child, [INIT, SHELL, supervisor, child]), [200]);
  });
});

describe("a relative that has the terminal open, and is no member", () => {
  // 700 leads the session of pts/3, which 600 has opened for it.
  const leader = entry(700, 600, 700, 700);
  const others: [string, ProcessEntry][] = [
    ["the init of this machine, which is its parent", { ...leader, ppid: 1 }],
    ["a supervisor", entry(600, 1, 600, 600, 0)],
    ["a login(1), which leads the session before it", entry(600, 1, 600, 600, 0)],
    ["a parent on another terminal, as su(1) and script(1)", entry(600, 500, 600, 500, 9)],
    ["a subreaper far above", entry(500, 1, 500, 500, 0)],
    ["an agetty, child of the same parent", entry(610, 600, 610, 610, 0)],
    ["a sibling in the parent's session", entry(611, 600, 611, 600, 0)],
    ["a sibling in the parent's group", entry(612, 600, 600, 600, 0)],
    ["a process that nothing joins to it", entry(800, 1, 800, 800, 0)],
  ];
  for (const [who, other] of others) {
    it(who, () => {
      const target = other.pid === leader.pid ? other : leader;
      const table = [{ ...INIT, ttyNr: 0 }, target, entry(710, 700, 710, 700)];
      if (other !== target) table.push(other);
      if (other.pid !== 600 && target.ppid === 600) table.push(entry(600, 500, 600, 600, 0));
      assertEquals(members(target, table, ALL), [710]);
    });
  }

  it("an ancestor that is also a descendant, in a table that was read during changes", () => {
    const table = [entry(2, 3, 2, 2), entry(3, 2, 3, 2)];
    assertEquals(members({ ...table[0]!, session: 9 }, table, ALL), []);
  });
});

describe("the init of a PID namespace", () => {
  const init = entry(200, 150, 200, 100);
  const job = entry(201, 200, 200, 100);
  const outside = entry(150, 100, 200, 100);
  const table = [INIT, SHELL, outside, init, job];
  const evidence = { ...ALL, isInit: (pid: number) => pid === 1 || pid === 200 };

  it("is no member of a job inside the namespace, though it shares group and terminal", () => {
    assertEquals(members(job, table, evidence), [150]);
    assertEquals(pids(bystandersOf(job, table, jobMembers(job, table, SELF, evidence))), [200]);
  });
  it("is a target like any other", () => {
    assertEquals(members(init, table, evidence), [150, 201]);
  });
  it("is never a member as process 1, whatever its group is", () => {
    assertEquals(members(job, [{ ...INIT, pgrp: 200, session: 100, ttyNr: PTS3 }, job], ALL), []);
  });
  it("is a member when the target began the namespace", () => {
    assertEquals(members(outside, table, { ...ALL, isInit: (pid) => pid === 1 }), [200, 201]);
  });
});

describe("a job that was moved before", () => {
  // The shell 100 on pts/3 had 200 | 201 | 202 as a job, with 203 below; now 200 leads a session on pts/4.
  const PTS4 = PTS3 + 1;
  const target = entry(200, 100, 200, 200, PTS4);
  const relayed = [entry(201, 100, 201, 100), entry(202, 100, 201, 100), entry(203, 200, 201, 100)];
  const later = entry(204, 200, 200, 200, PTS4);
  const server = entry(300, 400, 300, 400, 9);
  const table = [INIT, SHELL, target, ...relayed, later, server];
  const earlier = {
    groups: [{ session: 100, pgrp: 201 }],
    members: relayed.map(({ pid, startTime }) => ({ pid, startTime })),
    bystanders: [],
  };
  const known = (...pids: number[]) => ({ ...users(...pids), earlier });

  it("is still a job, by the record of the reptyr that serves it", () => {
    assertEquals(members(target, table, known(200, 201, 202, 203, 204)), [201, 202, 203, 204]);
  });
  it("includes processes of its groups that use no terminal", () => {
    assertEquals(members(target, table, known(200, 202)), [201, 202, 203, 204]);
  });
  it("is still a job when the shell has ended", () => {
    const orphans = [target, ...relayed, later].map((one) => (
      { ...one, ppid: one.ppid === 100 ? 1 : one.ppid, ttyNr: one.session === 100 ? 0 : one.ttyNr }
    ));
    assertEquals(members(orphans[0]!, [INIT, ...orphans], known(200, 201, 202)), [
      ...[201, 202, 203, 204],
    ]);
  });
  it("without a record, includes only processes below the target", () => {
    assertEquals(members(target, table, users(200, 201, 202, 203, 204)), [203, 204]);
  });
  it("includes the script whose command the target is, even when the script leads the old session", () => {
    const script = entry(100, 50, 100, 100);
    const command = entry(200, 100, 200, 200, PTS4);
    const earlier = {
      groups: [{ session: 100, pgrp: 100 }],
      members: [{ pid: 100, startTime: 100n }],
      bystanders: [],
    };
    assertEquals(members(command, [INIT, script, command], { ...users(100, 200), earlier }), [100]);
    assertEquals(members(command, [INIT, script, command], users(100, 200)), []);
  });
  it("includes a process that has left its group since, as long as it is on the terminal", () => {
    const apart = { ...relayed[0]!, pgrp: 210 };
    const changed = [target, apart, relayed[1]!];
    assertEquals(members(target, changed, known(201)), [201, 202]);
    assertEquals(members(target, changed, known()), [202]);
  });
  it("includes a process forked in its groups since: below a member, or on the terminal", () => {
    const born = entry(205, 202, 201, 100);
    const orphan = entry(206, 1, 201, 100);
    assertEquals(members(target, [...table, born, orphan], known()), [201, 202, 203, 204, 205]);
    assertEquals(members(target, [...table, orphan], known(206)), [201, 202, 203, 204, 206]);
  });
  it("leaves out an earlier bystander, and its later children", () => {
    const daemon = entry(205, 202, 201, 100);
    const born = entry(206, 205, 201, 100);
    const all = [...table, daemon, born];
    const bystanders = [{ pid: 205, startTime: 205n }];
    const evidence = { ...users(205), earlier: { ...earlier, bystanders } };
    assertEquals(members(target, all, evidence), [201, 202, 203, 204]);
    assertEquals(
      pids(bystandersOf(target, all, jobMembers(target, all, SELF, evidence), earlier.groups)),
      [
        ...[205, 206],
      ],
    );
  });
  it("leaves out a process that has got the PID of an earlier member", () => {
    const stranger = { ...entry(202, 1, 700, 700, 0), startTime: 9000n };
    assertEquals(members(target, [target, relayed[0]!, stranger], known(202)), [201]);
  });
  it("leaves out the shell, its other jobs and the terminal's server", () => {
    const other = entry(250, 100, 250, 100);
    assertEquals(members(target, [...table, other], known(100, 200, 201, 250, 300)), [
      ...[201, 202, 203, 204],
    ]);
  });
  it("never includes an init, whatever a record says", () => {
    const groups = [{ session: 1, pgrp: 1 }];
    const named = { groups, members: [{ pid: 1, startTime: 1n }], bystanders: [] };
    assertEquals(members(target, [INIT, target], { ...ALL, earlier: named }), []);
  });
  it("uses a record only for a target that leads a session", () => {
    assertEquals(members({ ...target, session: 100 }, [target, relayed[0]!], known(201)), []);
  });
});

describe("leftInOldSession", () => {
  const target = entry(200, 100, 200, 200);
  it("finds the processes in another session than the target, which leads its own", () => {
    const left = [entry(201, 100, 201, 100), entry(203, 200, 201, 100)];
    const all = [target, ...left, entry(204, 200, 200, 200)];
    assertEquals(pids(leftInOldSession(target, all)), [201, 203]);
    assertEquals(leftInOldSession(left[0]!, all), []);
  });
  it("leaves out a process that called setsid() itself, and the processes below it", () => {
    const own = [entry(210, 200, 210, 210, 0), entry(211, 210, 210, 210, 0)];
    assertEquals(leftInOldSession(target, [target, ...own]), []);
  });
});

describe("ancestorsOf and descendantsOf", () => {
  it("walk up and down", () => {
    assertEquals(ancestorsOf(301, TABLE), [300, 100, 1]);
    assertEquals([...descendantsOf(100, TABLE)].sort(), [200, 300, 301, 302]);
    assertEquals(ancestorsOf(4242, TABLE), []);
    assertEquals([...descendantsOf(4242, TABLE)], []);
  });
  it("end also in a table that was read while PIDs were reused", () => {
    const circle = [entry(2, 3, 2, 2), entry(3, 2, 3, 2)];
    assertEquals(ancestorsOf(2, circle), [3, 2]);
    assertEquals([...descendantsOf(2, circle)], [3]);
  });
});
