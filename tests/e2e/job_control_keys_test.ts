/** ^Z, jobs, fg and bg in the shell that reptyr runs in. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { getTermios } from "../../src/tty/termios.ts";
import { assertNoneLeft, PROMPT, RESTLESS, SHAPES } from "../support/e2e_target.ts";
import { MovedJob, startOnTerminal, typeInShell, untilRunning } from "../support/jobs_moved.ts";
import { continueBy, moveInShell, reptyrOf, stopByKey } from "../support/jobs_shell.ts";
import { requires } from "../support/programs.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

function echoes(terminal: Terminal, text: string): void {
  terminal.line(text);
  terminal.expect(`${text}\r\n${text}\r\n`);
}

/** The shell has its prompt, after the end of reptyr, whose status it tells. */
function expectStatus(shell: Terminal, status: number): void {
  shell.line('echo "status $?"');
  shell.expect(`status ${status}\r\n`);
}

/** The shell works, on a terminal with its own settings. */
function expectShell(shell: Terminal): void {
  shell.line("echo $((6 * 7))");
  shell.expect(/[\r\n]42\r\n/);
  shell.expect(PROMPT);
}

describe("^Z in the new shell", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("cat")(`stops cat, and fg brings it back, twice: ${shape}`, () => {
      using old = startOnTerminal(shape, ["cat"]);
      const pids = untilRunning(old, ["cat"]);
      untilBlocked(pids[0]!);
      using job = new MovedJob(old, pids);
      using shell = moveInShell(job, pids[0]!);
      echoes(shell, "first");
      for (const text of ["second", "third"]) {
        stopByKey(shell, job);
        shell.line("jobs");
        assertMatch(shell.expect(/jobs\r\n[^]*?reptyr \d+\r\n/)[0], /\[1\]\+ +Stopped/);
        shell.expect(PROMPT);
        expectShell(shell);
        continueBy(shell, "fg", job);
        echoes(shell, text);
      }
      shell.press("^C");
      shell.expect(PROMPT);
      expectStatus(shell, 130);
    });

    requires("python3")(`stops python3, and fg brings it back: ${shape}`, () => {
      using old = startOnTerminal(shape, ["python3", "-q"]);
      const pids = untilRunning(old, ["python3"]);
      old.expect(">>> ");
      untilBlocked(pids[0]!);
      using job = new MovedJob(old, pids, RESTLESS);
      using shell = moveInShell(job, pids[0]!);
      shell.line("answer = 6 * 7");
      shell.expect(/6 \* 7\r\n[^]*>>> /);
      stopByKey(shell, job);
      expectShell(shell);
      continueBy(shell, "fg", job);
      shell.line("answer");
      shell.expect(/answer\r\n[^]*42\r\n[^]*>>> /);
      shell.press("^D");
      shell.expect(PROMPT);
      expectStatus(shell, 0);
    });
  }

  [0, 1, 2].forEach((index) => {
    requires("cat", "tr")(`stops the whole pipeline, moved by process ${index + 1}`, () => {
      using old = typeInShell("cat | tr a-z A-Z | cat");
      const pids = untilRunning(old, ["cat", "tr", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using shell = moveInShell(job, pids[index]!);
      shell.line("before");
      shell.expect("before\r\n");
      stopByKey(shell, job);
      expectShell(shell);
      continueBy(shell, "fg", job);
      shell.line("after");
      shell.expect("after\r\n");
      shell.press("^D");
      shell.expect("BEFORE\r\nAFTER\r\n");
      shell.expect(PROMPT);
      expectStatus(shell, 0);
    });
  });

  for (const shape of SHAPES) {
    requires("bash", "cat")(`stops a script with its child: ${shape}`, () => {
      const script = ["bash", "--norc", "-c", "cat; read -r line; exit 7"];
      using old = startOnTerminal(shape, script);
      const pids = untilRunning(old, ["bash", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using shell = moveInShell(job, pids[0]!);
      stopByKey(shell, job);
      expectShell(shell);
      continueBy(shell, "fg", job);
      echoes(shell, "words");
      shell.press("^D");
      shell.line("end");
      shell.expect(PROMPT);
      expectStatus(shell, 7);
    });
  }

  requires("cat")("typed at once with text before and after it", () => {
    using old = startOnTerminal("foreground job", ["cat"]);
    const pids = untilRunning(old, ["cat"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[0]!);
    shell.type("before\r\x1abehind\r");
    shell.expect(/Stopped +\S*reptyr/);
    shell.expect(PROMPT);
    assert(!shell.output.includes("behind"));
    shell.line("fg");
    shell.expect("behind\r\n");
    shell.press("^D");
    shell.expect(PROMPT);
    expectStatus(shell, 0);
  });

  requires("cat")("after ^V is a character", () => {
    using old = startOnTerminal("foreground job", ["cat"]);
    const pids = untilRunning(old, ["cat"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[0]!);
    shell.type("a\x16\x1ab\r");
    shell.expect("Zb\r\na\x1ab\r\n");
    job.assertAlive();
    assert(!shell.output.includes("Stopped"));
    shell.press("^D");
    shell.expect(PROMPT);
    expectStatus(shell, 0);
  });
});

/** Says a number for each line of a FIFO, so that a test decides when. */
const COUNTER = 'while read -r line <&9; do echo "told $line"; done 9<>"$0"';

describe("bg in the new shell", () => {
  afterEach(assertNoneLeft);

  requires("bash", "mkfifo")("lets it write, and fg gives it the keyboard again", () => {
    using cleanup = new DisposableStack();
    const folder = Deno.makeTempDirSync({ prefix: "e2e-bg-" });
    cleanup.defer(() => Deno.removeSync(folder, { recursive: true }));
    const fifo = `${folder}/fifo`;
    new Deno.Command("mkfifo", { args: [fifo] }).outputSync();
    using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", COUNTER, fifo]);
    const pids = untilRunning(old, ["bash"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[0]!);
    using gate = Deno.openSync(fifo, { read: true, write: true });
    const tell = (text: string) => gate.writeSync(new TextEncoder().encode(`${text}\n`));
    tell("one");
    shell.expect("told one\r\n");
    stopByKey(shell, job);
    tell("two");
    expectShell(shell);
    assert(!shell.output.includes("told two"));
    continueBy(shell, "bg", job);
    shell.expect(/told two\r+\n/);
    tell("three");
    shell.expect(/told three\r+\n/);
    expectShell(shell);
    shell.line("jobs");
    shell.expect(/\[1\]\+ +Running +\S*reptyr \d+ &/);
    shell.expect(PROMPT);
    shell.line("fg");
    waitUntil("the foreground", () => {
      const reptyr = reptyrOf(shell);
      return readStat(reptyr)?.tpgid === readStat(reptyr)?.pgrp;
    });
    waitUntil("raw mode", () => (getTermios(shell.master).get("c_lflag") & 0o12) === 0);
    shell.press("^C");
    shell.expect(PROMPT);
    expectStatus(shell, 130);
  });

  requires("cat")("followed by the end of the target: the shell reports it, and works", () => {
    using old = startOnTerminal("foreground job", ["cat"]);
    const pids = untilRunning(old, ["cat"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[0]!);
    stopByKey(shell, job);
    continueBy(shell, "bg", job);
    const reptyr = reptyrOf(shell);
    job.handle(pids[0]!).signal(15);
    waitUntil("reptyr to end", () => readStat(reptyr) === undefined);
    expectShell(shell);
    shell.line("wait %1; jobs; echo $((6 * 8))");
    shell.expect(/[\r\n]48\r\n/);
    assertMatch(shell.output, /Exit 143|Terminated/);
  });
});

describe("a stopped reptyr", () => {
  afterEach(assertNoneLeft);

  for (const [signal, status] of [["TERM", 143], ["HUP", 129], ["INT", 130]] as const) {
    requires("cat")(`ends at kill -${signal} %1, and hangs up the target`, () => {
      using old = startOnTerminal("foreground job", ["cat"]);
      const pids = untilRunning(old, ["cat"]);
      untilBlocked(pids[0]!);
      using job = new MovedJob(old, pids);
      using shell = moveInShell(job, pids[0]!);
      stopByKey(shell, job);
      const reptyr = reptyrOf(shell);
      shell.line(`kill -${signal} %1; fg; echo "status $?"`);
      shell.expect(`status ${status}\r\n`);
      waitUntil("reptyr to end", () => readStat(reptyr) === undefined);
      assert(job.handle(pids[0]!).waitForEnd(20_000));
      expectShell(shell);
    });
  }

  requires("cat")("ends at kill %1 alone", () => {
    using old = startOnTerminal("foreground job", ["cat"]);
    const pids = untilRunning(old, ["cat"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[0]!);
    stopByKey(shell, job);
    const reptyr = reptyrOf(shell);
    shell.line("kill %1");
    waitUntil("reptyr to end", () => readStat(reptyr) === undefined);
    assert(job.handle(pids[0]!).waitForEnd(20_000));
    expectShell(shell);
  });

  requires("cat")("whose target is ended: fg shows its status", () => {
    using old = startOnTerminal("foreground job", ["cat"]);
    const pids = untilRunning(old, ["cat"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[0]!);
    stopByKey(shell, job);
    job.handle(pids[0]!).end();
    shell.line("fg");
    shell.expect(PROMPT);
    expectStatus(shell, 137);
  });

  requires("cat")("whose old shell is killed meanwhile: no process dies", () => {
    for (const index of [0, 2]) {
      using old = typeInShell("cat | cat | cat");
      const pids = untilRunning(old, ["cat", "cat", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using shell = moveInShell(job, pids[index]!);
      stopByKey(shell, job);
      // The kernel hangs up stopped groups that are orphaned by that.
      old.child.handle.end();
      old.expectExit();
      continueBy(shell, "fg", job);
      job.expectOwnHangup();
      shell.line("words");
      shell.expect("words\r\nwords\r\n");
      shell.press("^D");
      shell.expect(PROMPT);
      expectStatus(shell, 0);
    }
  });
});

describe("a ^Z that reptyr leaves to the line discipline", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("cat")(`typed at a session leader, without a shell above: ${shape}`, () => {
      using old = startOnTerminal(shape, ["cat"]);
      const pids = untilRunning(old, ["cat"]);
      untilBlocked(pids[0]!);
      using job = new MovedJob(old, pids);
      using moved = job.move(pids[0]!);
      moved.press("^Z");
      echoes(moved, "still here");
      assertEquals(readStat(moved.pid)?.state === "T", false);
      moved.press("^D");
      job.expectEnd(moved, 0);
    });
  }

  requires("bash")("typed at the prompt of a moved shell, which ignores it", () => {
    using old = startOnTerminal("session leader", ["bash", "--norc", "--noprofile"]);
    old.expect(PROMPT);
    untilBlocked(old.pid);
    using job = new MovedJob(old, [old.pid]);
    using shell = moveInShell(job, old.pid);
    shell.press("^Z");
    shell.line("echo in the moved $((6 * 7))");
    shell.expect("in the moved 42\r\n");
    assert(!shell.output.includes("Stopped"));
    shell.line("exit 9");
    shell.expect(/exit\r\n/);
    shell.expect(PROMPT);
    expectStatus(shell, 9);
  });
});
