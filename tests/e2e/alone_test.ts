/** `reptyr -1 PID`: one process moves, its children and the rest of its job stay. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, PROMPT } from "../support/e2e_target.ts";
import { isMoved, refused, startOn, Untouched } from "../support/input_run.ts";
import {
  living,
  startOnTerminal,
  statOf,
  terminalsOf,
  typeInShell,
  untilForeground,
  untilRunning,
} from "../support/jobs_moved.ts";
import { orDispose } from "../support/or_dispose.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilState } from "../support/victim.ts";

/** Move `pid` alone; the new terminal, when it is there. */
function moveAlone(pid: number): Terminal {
  const tty = statOf(pid).ttyNr;
  const { terminal } = startOn(["-1", pid]);
  return orDispose(terminal, () => {
    waitUntil(`process ${pid} to be moved`, () => {
      assert(terminal.child.status === undefined, terminal.describe());
      return isMoved(pid, tty);
    });
    return terminal;
  });
}

/** Where it is, but for the terminal's own number. */
function place(pid: number): string {
  const { session, pgrp, ttyNr, tpgid } = statOf(pid);
  return `${pid}: ${session} ${pgrp} ${ttyNr} ${tpgid} ${terminalsOf(pid)}`;
}

const SCRIPT = ["bash", "--norc", "-c", 'cat; read -r x; echo "script: $x"; exit 5'];

describe("reptyr -1", () => {
  afterEach(assertNoneLeft);

  requires("bash", "cat")("moves the end of a pipeline: the shell waits for the rest", () => {
    using old = typeInShell("cat | tr a-z A-Z");
    const [cat, tr] = untilRunning(old, ["cat", "tr"]);
    untilForeground(cat!);
    using handle = new ProcessHandle(tr!);
    const before = place(cat!);
    using moved = moveAlone(tr!);
    assertEquals(place(cat!), before);
    assertEquals(statOf(tr!).session, tr);
    old.line("hello");
    old.press("^D");
    moved.expect("HELLO");
    assertEquals(moved.expectExit(), { kind: "exited", status: 0 }, moved.describe());
    old.expect(PROMPT);
    assert(handle.ended);
  });

  requiresCompiler(
    "moves a program that stops its group at ^Z out of a script, which does not stop",
    () => {
      const script = `stty -icanon; ${victim("suspends")} stop; read -r x; echo "script: $x"`;
      using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", script]);
      old.expect("ready");
      const [bash, program] = untilRunning(old, ["bash", "suspends.0"]);
      using handle = new ProcessHandle(program!);
      const before = place(bash!);
      using moved = moveAlone(program!);
      moved.press("^C");
      assertEquals(moved.expectExit(), { kind: "exited", status: 130 }, moved.describe());
      assert(handle.ended);
      assertEquals(place(bash!), before);
      old.line("goes on");
      old.expect("script: goes on");
      assert(!old.output.includes("Stopped"), old.output);
    },
  );

  requires("bash", "cat", "tr")(
    "moves one process of a pipeline, and leaves the screen to the process that drives it",
    () => {
      using old = typeInShell("stty -icanon; cat | tr a-z A-Z");
      const [cat, tr] = untilRunning(old, ["cat", "tr"]);
      untilForeground(cat!);
      using handle = new ProcessHandle(tr!);
      using moved = moveAlone(tr!);
      assert(!old.output.includes("\x1b[?1049l"), old.output);
      moved.press("^C");
      assertEquals(moved.expectExit(), { kind: "exited", status: 130 }, moved.describe());
      assert(handle.ended);
      assert(!old.output.includes("\x1b[?1049l"), old.output);
      old.press("^C");
      old.expect(PROMPT);
    },
  );

  requires("bash", "sleep")("lets the shell prompt when the rest ends first", () => {
    using old = typeInShell("sleep 1000 | sleep 1001");
    const [first, last] = untilRunning(old, ["sleep", "sleep"]);
    untilForeground(first!);
    using handle = new ProcessHandle(last!);
    using moved = moveAlone(last!);
    old.press("^C");
    waitUntil("the first to end", () => living([first!]).length === 0);
    old.expect(PROMPT);
    old.line("echo 'here' again");
    old.expect("here again");
    assertEquals(living([last!]), [last!]);
    untilState(last!, "S");
    moved.press("^C");
    assertEquals(moved.expectExit(), { kind: "exited", status: 130 }, moved.describe());
    assert(handle.ended);
  });

  requires("bash", "sleep")("lets the shell prompt when ^Z has stopped the rest of the job", () => {
    using old = typeInShell("sleep 1000 | sleep 1001");
    const [first, last] = untilRunning(old, ["sleep", "sleep"]);
    untilForeground(first!);
    using handle = new ProcessHandle(last!);
    using moved = moveAlone(last!);
    old.press("^Z");
    waitUntil("the first to stop", () => readStat(first!)?.state === "T");
    old.expect(PROMPT);
    assertEquals(living([last!]), [last!]);
    old.line("fg");
    waitUntil("the first to go on", () => readStat(first!)?.state === "S");
    moved.press("^C");
    assertEquals(moved.expectExit(), { kind: "exited", status: 130 }, moved.describe());
    old.press("^C");
    old.expect(PROMPT);
    assert(handle.ended);
  });

  requires("bash", "cat")("moves a script, and its child keeps the old keyboard", () => {
    using old = startOnTerminal("foreground job", SCRIPT);
    const [script, cat] = untilRunning(old, ["bash", "cat"]);
    untilForeground(script!);
    using handle = new ProcessHandle(script!);
    old.line("before");
    old.expect("before\r\nbefore\r\n");
    using moved = moveAlone(script!);
    assertEquals(statOf(cat!).session, old.pid);
    assertEquals(statOf(cat!).tpgid, statOf(cat!).pgrp);
    assertEquals(terminalsOf(cat!), [old.device]);
    old.line("after");
    old.expect("after\r\nafter\r\n");
    old.press("^D");
    waitUntil("cat to end", () => living([cat!]).length === 0);
    // The shell has its terminal back, and the script goes on where it is now.
    old.expect(PROMPT);
    moved.line("there");
    moved.expect("script: there");
    assertEquals(moved.expectExit(), { kind: "exited", status: 5 }, moved.describe());
    assert(handle.ended);
    old.line("echo 'still' here");
    old.expect("still here");
  });

  requires("bash", "cat")("passes the old keys to the child of a moved script", () => {
    using old = startOnTerminal("foreground job", SCRIPT);
    const [script, cat] = untilRunning(old, ["bash", "cat"]);
    untilForeground(script!);
    using handle = new ProcessHandle(script!);
    using moved = moveAlone(script!);
    old.press("^C");
    waitUntil("cat to end", () => living([cat!]).length === 0);
    moved.press("^C");
    moved.expectExit();
    assert(handle.ended);
    old.expect(PROMPT);
  });

  for (const shape of ["session leader", "foreground job"] as const) {
    requires("bash", "cat")(`moves a child, and its script stays: ${shape}`, () => {
      const script = ["bash", "--norc", "-c", 'cat; echo "status $?"; read -r x; exit 5'];
      using old = startOnTerminal(shape, script);
      const [bash, cat] = untilRunning(old, ["bash", "cat"]);
      using handle = new ProcessHandle(cat!);
      const before = new Untouched(bash!);
      using moved = moveAlone(cat!);
      before.assert();
      moved.line("hello");
      moved.expect("hello\r\nhello\r\n");
      moved.press("^C");
      assertEquals(moved.expectExit(), { kind: "exited", status: 130 }, moved.describe());
      assert(handle.ended);
      waitUntil("the script to end or go on", () => living([bash!]).length === 0 || "on");
    });
  }

  requires("cat")("moves a session leader that is alone on its terminal", () => {
    using old = Terminal.start(["cat"], { label: "old" });
    old.line("before");
    old.expect("before\r\nbefore\r\n");
    using moved = moveAlone(old.pid);
    old.expectEof();
    moved.line("after");
    moved.expect("after\r\nafter\r\n");
    moved.press("^D");
    assertEquals(moved.expectExit(), { kind: "exited", status: 0 }, moved.describe());
  });

  requires("bash", "cat")("refuses a session leader with others, with the remedy", () => {
    using old = startOnTerminal("session leader", SCRIPT);
    const pids = untilRunning(old, ["bash", "cat"]);
    const before = pids.map((pid) => new Untouched(pid));
    const lines = refused(["-1", pids[0]!]);
    assertMatch(
      lines[0]!,
      new RegExp(
        `^Cannot move process ${
          pids[0]
        } \\(.*\\) alone: it leads the session of another process, ` +
          `which would lose the terminal with it \\(${pids[1]}\\)$`,
      ),
    );
    assertEquals(lines.slice(1), [
      `To move them with it, run: reptyr ${pids[0]}`,
      `To take over the whole terminal, run: reptyr --steal ${pids[0]}`,
    ]);
    for (const one of before) one.assert();
    old.line("after");
    old.expect("after\r\nafter\r\n");
  });

  requires("bash", "sleep")("moves one process of a stopped job: the rest stays stopped", () => {
    using old = typeInShell("bash --norc -c 'sleep 1000; exit 5'");
    const [script, sleep] = untilRunning(old, ["bash", "sleep"]);
    untilForeground(script!);
    old.press("^Z");
    old.expect(PROMPT);
    using moved = moveAlone(script!);
    waitUntil("the script to go on", () => /[SR]/.test(readStat(script!)?.state ?? ""));
    untilState(sleep!, "T");
    using handle = new ProcessHandle(sleep!);
    handle.end();
    assertEquals(moved.expectExit(), { kind: "exited", status: 5 }, moved.describe());
  });

  const faults: [string, string, string | number][] = [
    ["pidfd_open", "EMFILE", 2],
    ["sendmsg", "EPERM", "1..2"],
    ["pidfd_getfd", "EPERM", 2],
    ["ptrace", "EPERM", "1..10"],
    ["ptrace", "EIO", "6..7"],
  ];
  for (const [call, error, when] of faults) {
    requires("strace", "bash", "cat")(`changes no process when ${call} ${when} fails`, () => {
      using old = startOnTerminal("foreground job", SCRIPT);
      const pids = untilRunning(old, ["bash", "cat"]);
      untilForeground(pids[0]!);
      const before = pids.map((pid) => new Untouched(pid));
      const prefix = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"];
      prefix.push("-e", `trace=${call}`, "-e", "signal=none");
      prefix.push("-e", `inject=${call}:error=${error}:when=${when}`);
      refused(["-1", pids[0]!], { prefix });
      for (const one of before) one.assert();
      old.line("after");
      old.expect("after\r\nafter\r\n");
      old.press("^C");
      old.expect(PROMPT);
    });
  }
});
