/** Keys, window, shells and ends, for a parent with children that tell what they get. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { descendantsOf } from "../support/child.ts";
import { assertNoneLeft, PROMPT, type Shape, SHAPES } from "../support/e2e_target.ts";
import { continueBy, moveInShell, stopByKey } from "../support/jobs_shell.ts";
import {
  living,
  MovedJob,
  startOnTerminal,
  statOf,
  typeInShell,
  untilForeground,
  untilRunning,
} from "../support/jobs_moved.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { startReptyr } from "../support/reptyr.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked, untilState } from "../support/victim.ts";

/** The parent, then its children. */
function untilReady(old: Terminal, kinds: readonly string[]): number[] {
  const parent = Number(old.expect(/ready (\d+)\r\n/)[1]);
  kinds.forEach((_, index) =>
    waitUntil(`child ${index}`, () => old.output.includes(`child${index + 1} ready`))
  );
  const pids = [parent, ...living(descendantsOf(parent))];
  assertEquals(pids.length, 1 + kinds.length);
  pids.forEach((pid) => untilBlocked(pid));
  return pids;
}

/** Every member has said `what`, since `from` in the output. */
function expectOfAll(terminal: Terminal, pids: readonly number[], what: string, from = 0): void {
  const names = pids.map((_, index) => index === 0 ? "parent" : `child${index}`);
  for (const name of names) {
    waitUntil(`${name} ${what}`, () => terminal.output.slice(from).includes(`${name} ${what}\r\n`));
  }
}

/** All told, each once. */
function assertOnce(terminal: Terminal, pids: readonly number[], what: string): void {
  const told = [...terminal.output.matchAll(new RegExp(`^(?:\\^.)?(\\w+) ${what}\\r$`, "gm"))]
    .map(([, name]) => name!).sort();
  assertEquals(told, [...pids.slice(1).map((_, index) => `child${index + 1}`), "parent"].sort());
}

describe("keys and window size of the new terminal reach every member", () => {
  afterEach(assertNoneLeft);
  const KINDS = ["plain", "plain", "plain"];

  for (const shape of SHAPES) {
    requiresCompiler(`once each: ${shape}`, () => {
      using old = startOnTerminal(shape, [victim("jobs_family"), ...KINDS]);
      const pids = untilReady(old, KINDS);
      using job = new MovedJob(old, pids);
      using moved = job.move(pids[0]!, { args: ["--redraw=none"] });
      const silent = old.output;
      moved.press("^C");
      expectOfAll(moved, pids, "INT");
      moved.press("^\\");
      expectOfAll(moved, pids, "QUIT");
      moved.resize(31, 97);
      expectOfAll(moved, pids, "WINCH");
      moved.line("all told");
      for (const index of [1, 2, 3]) {
        waitUntil(`child ${index}`, () => moved.output.includes(`child${index}: told\r\n`));
      }
      assertOnce(moved, pids, "INT");
      assertOnce(moved, pids, "QUIT");
      assertOnce(moved, pids, "WINCH");
      assert(!/INT|QUIT|WINCH|told/.test(old.output.slice(silent.length)));
      moved.line("quit 17");
      job.expectEnd(moved, 17);
    });
  }

  requiresCompiler("moved by one of the children", () => {
    using old = startOnTerminal("foreground job", [victim("jobs_family"), ...KINDS]);
    const pids = untilReady(old, KINDS);
    using job = new MovedJob(old, pids);
    using moved = job.move(pids[2]!, { args: ["--redraw=none"] });
    old.expect(/\[1\]\+ +Stopped/);
    old.expect(PROMPT);
    moved.press("^C");
    expectOfAll(moved, pids, "INT");
    moved.resize(31, 97);
    expectOfAll(moved, pids, "WINCH");
    assertOnce(moved, pids, "INT");
    // Its status is that of the process that was asked for.
    moved.line("quit 17");
    job.expectEnd(moved, 0);
  });

  for (const [key, what] of [["^C", "INT"], ["^\\", "QUIT"]] as const) {
    requiresCompiler(`and ${key} discards no answer to it`, () => {
      using old = startOnTerminal("foreground job", [victim("jobs_family"), ...KINDS]);
      const pids = untilReady(old, KINDS);
      using job = new MovedJob(old, pids);
      using moved = job.move(pids[2]!, { args: ["--redraw=none"] });
      // Where it can be lost, one press in fifty loses it.
      for (let press = 0; press < 60; press++) {
        const from = moved.output.length;
        moved.press(key);
        expectOfAll(moved, pids, what, from);
        assertEquals(moved.output.indexOf(key, from), from, "the echo comes first");
      }
      moved.line("quit 17");
      job.expectEnd(moved, 0);
    });
  }
});

describe("a signal key that is relayed to a group", () => {
  afterEach(assertNoneLeft);

  requires("dash", "yes")("ends a program that fills the terminal, and its script", () => {
    using old = startOnTerminal("foreground job", ["dash", "-c", "yes; echo went on"]);
    const pids = untilRunning(old, ["dash", "yes"]);
    old.expect("y\r\ny\r\n");
    using job = new MovedJob(old, pids);
    using moved = job.move(pids[1]!);
    moved.expect("y\r\ny\r\n");
    moved.press("^C");
    job.expectEnd(moved, 130);
    assert(moved.output.includes("^C"));
    assert(!moved.output.includes("went on"));
  });

  requiresCompiler("discards the input before the key, and not the input after it", () => {
    using old = startOnTerminal("foreground job", [victim("jobs_family"), "plain"]);
    const pids = untilReady(old, ["plain"]);
    using job = new MovedJob(old, pids);
    using moved = job.move(pids[1]!, { args: ["--redraw=none"] });
    for (let time = 1; time <= 20; time++) {
      const from = moved.output.length;
      moved.type(`unended\x03all ${time}\r`);
      expectOfAll(moved, pids, "INT", from);
      moved.expect(`line: all ${time}\r\n`);
      waitUntil("the child", () => moved.output.includes(`child1: ${time}\r\n`, from));
    }
    moved.line("quit 17");
    job.expectEnd(moved, 0);
  });

  requiresCompiler("discards nothing when it is ^Z, because reptyr stops the job", () => {
    using old = startOnTerminal("foreground job", [victim("jobs_family"), "plain"]);
    const pids = untilReady(old, ["plain"]);
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[1]!);
    for (let time = 1; time <= 10; time++) {
      const from = shell.output.length;
      shell.line(`all ${time}`);
      stopByKey(shell, job);
      continueBy(shell, "fg", job);
      waitUntil(
        "what both say",
        () =>
          shell.output.includes(`line: all ${time}\r\n`, from) &&
          shell.output.includes(`child1: ${time}\r\n`, from),
      );
    }
    shell.line("quit 17");
    shell.expect(PROMPT);
  });
});

describe("reptyr ends when the whole job has ended", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("the target first: its children are served, and its status counts", () => {
    using old = startOnTerminal("foreground job", [victim("jobs_family"), "plain", "plain"]);
    const pids = untilReady(old, ["plain", "plain"]);
    using job = new MovedJob(old, pids);
    using moved = job.move(pids[0]!);
    // The pipes end with the parent, so the children end too.
    moved.line("exit 21");
    job.expectEnd(moved, 21);
  });

  requires("bash", "sleep")("a child that outlives the target keeps reptyr running", () => {
    const script = ["bash", "--norc", "-c", "sleep 1000 & echo go; read -r line; exit 5"];
    using old = startOnTerminal("foreground job", script);
    old.expect("go\r\n");
    const pids = untilRunning(old, ["bash", "sleep"]);
    pids.forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, pids);
    using moved = job.move(pids[0]!);
    moved.line("end");
    waitUntil("the script to end", () => job.handle(pids[0]!).ended);
    moved.line("still echoed");
    moved.expect("still echoed\r\n");
    assertEquals(moved.child.status, undefined);
    assert(!job.handle(pids[1]!).ended);
    job.handle(pids[1]!).end();
    job.expectEnd(moved, 5);
  });
});

describe("a shell that had a job of several", () => {
  afterEach(assertNoneLeft);
  const KINDS = ["plain", "group"];

  const ends: [string, (old: Terminal) => void][] = [
    ["exits", (old) => {
      old.line("exit");
      old.line("exit"); // after `There are stopped jobs.`
      old.expectExit();
    }],
    ["is hung up", (old) => {
      old.hangUp();
      old.expectExit();
    }],
    ["tells its jobs, by huponexit", (old) => {
      old.line("shopt -s huponexit; exec true");
      old.expectExit();
    }],
  ];
  for (const [what, end] of ends) {
    requiresCompiler(`${what}: no process dies`, () => {
      using old = startOnTerminal("foreground job", [victim("jobs_family"), ...KINDS]);
      const pids = untilReady(old, KINDS);
      using job = new MovedJob(old, pids);
      using moved = job.move(pids[0]!);
      old.expect(/\[1\]\+ +Stopped/);
      old.expect(PROMPT);
      end(old);
      job.expectOwnHangup();
      job.assertAlive();
      moved.line("all told");
      waitUntil("child 1", () => moved.output.includes("child1: told\r\n"));
      moved.line("quit 17");
      job.expectEnd(moved, 17);
    });

    requires("cat", "tr")(`of a pipeline ${what}: no process dies`, () => {
      for (const index of [0, 1, 2]) {
        using old = typeInShell("cat | cat | cat");
        const pids = waitUntil("three cats", () => {
          const found = descendantsOf(old.pid).filter((pid) => readStat(pid)?.comm === "cat");
          return found.length === 3 && found;
        });
        untilForeground(pids[0]!);
        pids.forEach((pid) => untilBlocked(pid));
        using job = new MovedJob(old, pids);
        using moved = job.move(pids[index]!);
        old.expect(/\[1\]\+ +Stopped/);
        old.expect(PROMPT);
        end(old);
        job.expectOwnHangup();
        job.assertAlive();
        moved.line("words");
        moved.expect("words\r\nwords\r\n");
        moved.press("^D");
        job.expectEnd(moved, 0);
      }
    });
  }

  requiresCompiler("had stopped the job by ^Z: all of it goes on", () => {
    using old = startOnTerminal("foreground job", [victim("jobs_family"), "plain"]);
    const pids = untilReady(old, ["plain"]);
    old.press("^Z");
    old.expect(/\[1\]\+ +Stopped/);
    old.expect(PROMPT);
    pids.forEach((pid) => untilState(pid, "T"));
    using moved = moveStopped(old, pids);
    moved.line("all told");
    moved.expect("child1: told\r\n");
    moved.line("quit 17");
    assertEquals(moved.expectExit(), { kind: "exited", status: 17 });
  });
});

/** Not by MovedJob, which compares with what was: they are stopped before. */
function moveStopped(old: Terminal, pids: readonly number[]): Terminal {
  const before = statOf(pids[0]!).ttyNr;
  const moved = startReptyr([pids[0]!]);
  waitUntil(
    "the job to go on elsewhere",
    () => statOf(pids[0]!).ttyNr !== before && pids.every((pid) => /[SR]/.test(statOf(pid).state)),
  );
  assert(!old.hungUp);
  return moved;
}

describe("the session leader and its children", () => {
  afterEach(assertNoneLeft);
  const shape: Shape = "session leader";

  requiresCompiler("with a zombie and another group: both are no obstacle", () => {
    const kinds = ["plain", "zombie", "group", "zombie"];
    using old = startOnTerminal(shape, [victim("jobs_family"), ...kinds]);
    const parent = Number(old.expect(/ready (\d+)\r\n/)[1]);
    for (const index of [1, 3]) {
      waitUntil(`child ${index}`, () => old.output.includes(`child${index} ready`));
    }
    const pids = waitUntil("the others to be zombies", () => {
      const pids = [parent, ...living(descendantsOf(parent))];
      return pids.length === 3 && pids;
    });
    pids.forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, pids);
    using moved = job.move(parent);
    moved.line("all told");
    moved.expect("child1: told\r\n");
    waitUntil("child 3", () => moved.output.includes("child3: told\r\n"));
    // A group of its own is in the background: ^C is not for it.
    moved.press("^C");
    waitUntil(
      "INT",
      () => moved.output.includes("parent INT") && moved.output.includes("child1 INT"),
    );
    assertEquals(statOf(pids.at(-1)!).pgrp, pids.at(-1)!);
    assert(!moved.output.includes("child3 INT"));
    moved.line("quit 17");
    job.expectEnd(moved, 17);
  });
});
