/** reptyr stopped by somebody else, and continued by the shell that it is a job of. */
import { afterEach, describe } from "@std/testing/bdd";
import { SIGSTOP, SIGTSTP } from "../../src/ffi/constants.ts";
import { kill } from "../../src/ffi/process.ts";
import { readStat } from "../../src/proc/stat.ts";
import { assertNoneLeft, PROMPT, SHELL } from "../support/e2e_target.ts";
import { MovedJob, startOnTerminal, untilRunning } from "../support/jobs_moved.ts";
import { moveInShell, reptyrOf, stopByKey, untilRaw } from "../support/jobs_shell.ts";
import { requires } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Emulator } from "../support/steal.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

/** The shell shows reptyr stopped, and works. */
function stopFromOutside(shell: Terminal, signal: number): number {
  const reptyr = reptyrOf(shell);
  kill(reptyr, signal);
  shell.expect(/\[1\]\+ +Stopped[^\n]*reptyr[^\n]*\n/);
  shell.expect(PROMPT);
  shell.line("echo $((6 * 7))");
  shell.expect(/[\r\n]42\r\n/);
  shell.expect(PROMPT);
  return reptyr;
}

function inForeground(pid: number): boolean {
  return readStat(pid)?.tpgid === readStat(pid)?.pgrp;
}

describe("reptyr that was stopped by another process", () => {
  afterEach(assertNoneLeft);

  for (const [name, signal] of [["SIGSTOP", SIGSTOP], ["SIGTSTP", SIGTSTP]] as const) {
    requires("cat")(`has its terminal raw again after fg: ${name}`, () => {
      using old = startOnTerminal("session leader", ["cat"]);
      const pids = untilRunning(old, ["cat"]);
      untilBlocked(pids[0]!);
      using job = new MovedJob(old, pids);
      using shell = moveInShell(job, pids[0]!);
      stopFromOutside(shell, signal);
      shell.line("fg");
      untilRaw(shell);
      shell.line("words");
      shell.expect("words\r\nwords\r\n");
      stopByKey(shell, job);
      shell.line("fg");
      untilRaw(shell);
      shell.press("^C");
      shell.expect(PROMPT);
    });
  }

  requires("cat")("and let run in the background: raw after fg only", () => {
    using old = startOnTerminal("foreground job", ["cat"]);
    const pids = untilRunning(old, ["cat"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[0]!);
    const reptyr = stopFromOutside(shell, SIGSTOP);
    shell.line("bg");
    shell.expect(PROMPT);
    shell.line("jobs");
    shell.expect(/\[1\]\+ +Running +\S*reptyr \d+ &/);
    shell.expect(PROMPT);
    shell.line("fg");
    waitUntil("the foreground", () => inForeground(reptyr));
    untilRaw(shell);
    shell.line("words");
    shell.expect("words\r\nwords\r\n");
    shell.press("^C");
    shell.expect(PROMPT);
  });

  requires("bash")("has it raw again with -T", () => {
    using emulator = Emulator.start("poll");
    using shell = Terminal.start(SHELL);
    shell.expect(PROMPT);
    shell.line(`${reptyrPath} -T ${emulator.shell}`);
    untilRaw(shell);
    shell.line("echo $((3 * 4))");
    shell.expect(/[\r\n]12\r\n/);
    stopFromOutside(shell, SIGSTOP);
    shell.line("fg");
    untilRaw(shell);
    shell.line("echo $((5 * 6))");
    shell.expect(/[\r\n]30\r\n/);
    shell.line("exit");
    shell.expect(PROMPT);
  });

  for (const way of ["-L cat", "-l"]) {
    requires("cat")(`has it raw again with ${way}`, () => {
      using shell = Terminal.start(SHELL);
      shell.expect(PROMPT);
      shell.line(`${reptyrPath} ${way}`);
      shell.expect("Opened a new pty");
      untilRaw(shell);
      stopFromOutside(shell, SIGSTOP);
      shell.line("fg");
      untilRaw(shell);
      shell.press("^C");
      shell.expect(PROMPT);
    });
  }
});
