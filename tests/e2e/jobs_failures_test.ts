/** Either all of a job are moved or none: whatever one member cannot do leaves every one where it was. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { lacks, requiresCapability } from "../support/capabilities.ts";
import { descendantsOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, PROMPT, SHAPES } from "../support/e2e_target.ts";
import { AS_NOBODY, NOBODY, refused, Untouched } from "../support/input_run.ts";
import { publicVictim } from "../support/input_victims.ts";
import {
  living,
  MovedJob,
  startOnTerminal,
  statOf,
  terminalsOf,
  untilRunning,
} from "../support/jobs_moved.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { WITHOUT_RESOURCE } from "../support/users.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

/** The parent, then its `count` children. */
function untilReady(old: Terminal, count: number): number[] {
  const parent = Number(old.expect(/ready (\d+)\r\n/)[1]);
  for (let index = 1; index <= count; index++) {
    waitUntil(`child ${index}`, () => old.output.includes(`child${index} ready`));
  }
  return [parent, ...living(descendantsOf(parent))];
}

/** All of the job still answer on the old terminal. */
function expectAnswers(old: Terminal, children: readonly number[], text: string): void {
  old.line(`all ${text}`);
  for (const index of children) {
    waitUntil(`child ${index}`, () => old.output.includes(`child${index}: ${text}\r\n`));
  }
}

/** `reptyr --why PID` tells the same reason. */
function assertForeseen(pid: number, reason: string, prefix: readonly string[] = []): void {
  const [program, ...args] = [...prefix, reptyrPath, `--why=${pid}`, "--json"];
  const { stdout } = new Deno.Command(program!, { args, stdin: "null" }).outputSync();
  const why = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals([why.can, why.reason], [false, reason]);
}

/** What is not to change when the old shell has been shown a stop: the terminals and sessions of all. */
function places(pids: readonly number[]): string[] {
  return pids.map((pid) => {
    const { session, pgrp, ttyNr } = statOf(pid);
    const { sigIgnored, sigCaught, tracerPid } = readStatus(pid)!;
    const fds = terminalsOf(pid).join();
    return `${pid}: ${session} ${pgrp} ${ttyNr} ${sigIgnored} ${sigCaught} ${tracerPid} ${fds}`;
  });
}

/** Without the capability the hard limit holds: root with it raises that for the moment of the move (files_limit_test.ts). */
const bounded = requiresCapability("users", requires("cc", "setpriv", "prlimit"));
const BOUNDED = { prefix: WITHOUT_RESOURCE };

function family(kinds: readonly string[]): string[] {
  return [...WITHOUT_RESOURCE, victim("jobs_family"), ...kinds];
}

describe("a member that has no room for descriptors", () => {
  afterEach(assertNoneLeft);

  // Two for a socketpair and one for each of the three terminals while they are handed over; then three more, to
  // keep the old ones: so with 5 the handing over succeeds, and the first thing after it that fails is the swap.
  for (const room of [0, 1, 2, 4, 5]) {
    for (const kinds of [[`full=${room}`, "opened"], ["opened", "plain", `full=${room}`]]) {
      bounded(`is named, and all members are as before: ${kinds.join(", ")}`, () => {
        using old = startOnTerminal("session leader", family(kinds));
        const pids = untilReady(old, kinds.length);
        const before = pids.map((pid) => new Untouched(pid));
        const full = pids[1 + kinds.indexOf(`full=${room}`)]!;
        const [first, remedy] = refused([pids[0]!], BOUNDED);
        assertMatch(
          first!,
          new RegExp(`^Cannot move process ${full}: it has reached RLIMIT_NOFILE `),
        );
        assertMatch(remedy!, /^For the moment of the move root raises it/);
        for (const one of before) one.assert();
        expectAnswers(old, kinds.map((_, index) => index + 1), "still here");
        if (lacks("sys_resource") !== undefined) {
          old.line("quit 17");
          waitUntil("the end of the job", () => living(pids).length === 0);
          return;
        }
        // Once the limit is raised they can be moved.
        const raise = ["--pid", String(full), "--nofile=100"];
        assert(new Deno.Command("prlimit", { args: raise }).outputSync().success);
        using job = new MovedJob(old, pids);
        using moved = job.move(pids[0]!);
        moved.line("quit 17");
        job.expectEnd(moved, 17);
      });
    }
  }

  bounded("is moved with just enough room", () => {
    const kinds = ["full=6", "self=8"];
    using old = startOnTerminal("foreground job", family(kinds));
    const pids = untilReady(old, 1);
    pids.forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, pids);
    using moved = job.move(pids[0]!, BOUNDED);
    moved.line("quit 17");
    job.expectEnd(moved, 17);
  });

  // The target gets one more, to be its controlling terminal, and duplicates the old one: with 6 and 7 the swap fails.
  for (const room of [3, 5, 6, 7]) {
    bounded(`is named when it is the target, in a job of a shell, with room for ${room}`, () => {
      const kinds = ["opened", "plain", `self=${room}`];
      using old = startOnTerminal("foreground job", family(kinds));
      const pids = untilReady(old, 2);
      pids.forEach((pid) => untilBlocked(pid));
      const before = places(pids);
      const [first] = refused([pids[0]!], BOUNDED);
      assertMatch(
        first!,
        new RegExp(`^Cannot move process ${pids[0]}: it has reached RLIMIT_NOFILE `),
      );
      assertEquals(places(pids), before);
      for (const pid of pids) assertMatch(statOf(pid).state, /[SRDT]/);
      // Where the shell was shown a stop before the move failed it has the job in the background.
      if (statOf(pids[0]!).tpgid !== pids[0]) {
        old.expect(PROMPT);
        old.line("fg");
        waitUntil("the foreground", () => statOf(pids[0]!).tpgid === pids[0]);
      }
      expectAnswers(old, [1, 2], "still here");
      old.line("quit 0");
      old.expect(PROMPT);
    });
  }
});

describe("a member that may not be traced", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("bash", "strace", "cat")(`is named because it is traced already: ${shape}`, () => {
      const script = ["bash", "--norc", "-c", "strace -o /dev/null cat; exit 3"];
      using old = startOnTerminal(shape, script);
      const pids = untilRunning(old, ["bash", "strace", "cat"]);
      const [bash, strace, cat] = pids;
      old.line("before");
      old.expect("before\r\nbefore\r\n");
      const before = [bash!, strace!].map((pid) => new Untouched(pid));
      const place = places(pids);
      const [first, remedy] = refused([bash!]);
      assertForeseen(bash!, first!);
      assertMatch(first!, new RegExp(`^Cannot attach to process ${cat} \\(cat\\): `));
      assertMatch(first!, new RegExp(`already traced by process ${strace} \\(strace`));
      assertMatch(remedy!, new RegExp(`^End process ${strace} or make it detach`));
      for (const one of before) one.assert();
      assertEquals(places(pids), place);
      old.line("after");
      old.expect("after\r\nafter\r\n");
    });
  }
});

describe("a member under a seccomp filter", () => {
  afterEach(assertNoneLeft);
  const kinds = ["plain", "seccomp", "plain"];

  const privileged = requiresCapability(["seccomp", "seccomp_suspend"], requiresCompiler);
  privileged("is moved with privilege", () => {
    using old = startOnTerminal("foreground job", [victim("jobs_family"), ...kinds]);
    const pids = untilReady(old, 3);
    pids.forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, pids);
    using moved = job.move(pids[0]!);
    moved.line("all told");
    for (const index of [1, 2, 3]) {
      waitUntil(`child ${index}`, () => moved.output.includes(`child${index}: told\r\n`));
    }
    assertEquals(pids.map((pid) => readStatus(pid)?.seccomp), [0, 0, 2, 0]);
    moved.line("quit 17");
    job.expectEnd(moved, 17);
  });

  const asNobody = requiresCapability(["users", "attach", "seccomp"], requiresCompiler);
  for (const shape of SHAPES) {
    asNobody(`is named without privilege, and nothing is changed: ${shape}`, () => {
      using old = startOnTerminal(shape, [...AS_NOBODY, publicVictim("jobs_family"), ...kinds]);
      const pids = untilReady(old, 3);
      const before = pids.map((pid) => new Untouched(pid));
      const [first, remedy] = refused([pids[0]!], { prefix: AS_NOBODY, owner: NOBODY });
      assertForeseen(pids[0]!, first!, AS_NOBODY);
      assertMatch(remedy!, new RegExp(`: sudo reptyr ${pids[0]}$`));
      assertMatch(first!, new RegExp(`^Cannot move process ${pids[2]} .*seccomp filter`));
      for (const one of before) one.assert();
      expectAnswers(old, [1, 2, 3], "still here");
    });
  }
});

describe("a member that does not stop", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requiresCompiler(`is named after --timeout, and all members go on: ${shape}`, () => {
      const kinds = ["plain", "vfork", "plain"];
      using old = startOnTerminal(shape, [victim("jobs_family"), ...kinds]);
      const pids = untilReady(old, 3).filter((pid) => statOf(pid).session === old.pid);
      const stuck = pids[2]!;
      waitUntil("vfork", () => readStat(stuck)?.state === "D");
      // Its child has a session of its own, and outlives it.
      using child = new ProcessHandle(descendantsOf(stuck)[0]!);
      using cleanup = new DisposableStack();
      cleanup.defer(() => child.end());
      const before = pids.map((pid) => new Untouched(pid));
      const [first] = refused(["--timeout=1", pids[0]!]);
      assertMatch(
        first!,
        new RegExp(`^Cannot stop process ${stuck}: thread ${stuck} is in state D`),
      );
      for (const one of before) one.assert();
      expectAnswers(old, [1, 3], "still here");
    });
  }
});
