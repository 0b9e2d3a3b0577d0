import { assert, assertEquals } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { SIGTERM } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { descendantsOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import {
  MovedJob,
  startOnTerminal,
  typeInShell,
  untilForeground,
  untilRunning,
} from "../support/jobs_moved.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { startReptyr } from "../support/reptyr.ts";
import { waitUntil } from "../support/terminal.ts";
import { untilBlocked, untilState } from "../support/victim.ts";

describe("jobs that are hard to catch", () => {
  afterEach(assertNoneLeft);

  it("a shell with its foreground job, moved twice", () => {
    using old = typeInShell("cat");
    const cat = waitUntil(
      "cat",
      () => descendantsOf(old.pid).find((pid) => readStat(pid)?.comm === "cat"),
    );
    untilForeground(cat);
    untilBlocked(cat);
    using job = new MovedJob(old, [old.pid, cat]);
    using second = job.move(old.pid);
    second.transfer();
    using third = job.move(old.pid);
    third.line("third");
    third.expect("third\r\nthird\r\n");
  });

  it("a script that forks short-lived children, some of them zombies at that moment", () => {
    const script = "i=0; while :; do i=$((i+1)); /bin/echo child $i; done";
    using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", script]);
    old.expect(/child 3\r\n/);
    const pid = descendantsOf(old.pid)[0]!;
    using target = new ProcessHandle(pid);
    using moved = startReptyr([pid]);
    moved.expect(/child \d+\r\n/);
    // Not by ^C: a shell whose child has just ended by itself goes on after that, as on any terminal.
    target.signal(SIGTERM);
    assertEquals(moved.expectExit(), { kind: "exited", status: 128 + SIGTERM });
  });
});

/** What the shells of the first move may do between that and the second. */
const FATES = ["lives", "is hung up"] as const;

/** `it` where one reptyr can tell the next what cannot be seen. */
function knowing(...programs: readonly string[]) {
  return requiresCapability("memfd", requires(...programs));
}

describe("a job of several that was moved out of a shell, moved once more", () => {
  afterEach(assertNoneLeft);

  for (const fate of FATES) {
    requires("bash", "cat")(`a script with a running child; the first shell ${fate}`, () => {
      using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", "cat; exit 7"]);
      const pids = untilRunning(old, ["bash", "cat"]);
      untilForeground(pids[0]!);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using second = job.move(pids[0]!);
      if (fate === "is hung up") {
        old.hangUp();
        old.expectExit();
        job.expectOwnHangup();
      }
      using third = job.move(pids[0]!);
      assertEquals(second.expectExit(), { kind: "exited", status: 0 });
      second.expectEof();
      third.line("third");
      third.expect("third\r\nthird\r\n");
      third.press("^D");
      job.expectEnd(third, 7);
    });

    requires("bash", "cat")(`a pipeline; the first shell ${fate}`, () => {
      using old = typeInShell("cat | cat | cat");
      const pids = untilRunning(old, ["cat", "cat", "cat"]);
      untilForeground(pids[0]!);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using second = job.move(pids[0]!);
      if (fate === "is hung up") {
        old.hangUp();
        old.expectExit();
        job.expectOwnHangup();
      }
      using third = job.move(pids[0]!);
      assertEquals(second.expectExit(), { kind: "exited", status: 0 });
      third.line("third");
      third.expect("third\r\nthird\r\n");
      third.press("^C");
      job.expectEnd(third, 130);
    });
  }

  knowing("bash", "cat")("a pipeline whose first shell ends while reptyr stands still", () => {
    using old = typeInShell("cat | cat");
    const pids = untilRunning(old, ["cat", "cat"]);
    untilForeground(pids[0]!);
    pids.forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, pids);
    using second = job.move(pids[0]!);
    Deno.kill(second.pid, "SIGSTOP");
    untilState(second.pid, "T");
    old.hangUp();
    old.expectExit();
    using third = startReptyr([pids[0]!]);
    // The next one lifts the shields, and gives up the terminal of the second, in one move.
    job.expectOwnHangup();
    Deno.kill(second.pid, "SIGCONT");
    assertEquals(second.expectExit(), { kind: "exited", status: 0 });
    third.line("third");
    third.expect("third\r\nthird\r\n");
    third.press("^D");
    assertEquals(third.expectExit(), { kind: "exited", status: 0 });
    pids.forEach((pid) => assert(job.handle(pid).ended));
  });

  requiresCapability("memfd", requiresCompiler)("keys and window reach every member there", () => {
    const kinds = ["plain", "group", "plain"];
    using old = startOnTerminal("foreground job", [victim("jobs_family"), ...kinds]);
    const parent = Number(old.expect(/ready (\d+)\r\n/)[1]);
    for (const index of [1, 2, 3]) {
      waitUntil(`child ${index}`, () => old.output.includes(`child${index} ready`));
    }
    const pids = [parent, ...descendantsOf(parent)];
    pids.forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, pids);
    using second = job.move(parent, { args: ["--redraw=none"] });
    second.transfer();
    using third = job.move(parent, { args: ["--redraw=none"] });
    assertEquals(second.expectExit(), { kind: "exited", status: 0 });
    third.press("^C");
    for (const name of ["parent", "child1", "child3"]) third.expectScreen(`${name} INT`);
    third.resize(31, 97);
    for (const name of ["parent", "child1", "child3"]) third.expectScreen(`${name} WINCH`);
    third.line("all told");
    for (const name of ["child1", "child2", "child3"]) third.expectScreen(`${name}: told`);
    // Not in the foreground: its group is its own, there as before.
    assertEquals(/child2 (INT|WINCH)/.exec(third.output), null);
    third.line("quit 17");
    job.expectEnd(third, 17);
  });

  for (const shape of ["session leader", "foreground job"] as const) {
    requires("bash", "cat")(`a script, moved by its child both times: ${shape}`, () => {
      using old = startOnTerminal(shape, ["bash", "--norc", "-c", "cat; read x; exit 7"]);
      const pids = untilRunning(old, ["bash", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using second = job.move(pids[1]!);
      second.transfer();
      using third = job.move(pids[1]!);
      third.line("third");
      third.expect("third\r\nthird\r\n");
      third.press("^D");
      waitUntil("cat to end", () => job.handle(pids[1]!).ended);
      third.line("of the script");
      assertEquals(third.expectExit(), { kind: "exited", status: 0 });
      assertEquals(job.pids.filter((pid) => !job.handle(pid).ended), []);
    });
  }
});
