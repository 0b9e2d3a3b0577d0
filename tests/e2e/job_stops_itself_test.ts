/** A moved job that stops itself by SIGSTOP, which no shell hears of: the new shell has its prompt as for ^Z. */
import { assert } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { descendantsOf } from "../support/child.ts";
import { assertNoneLeft, PROMPT, RESTLESS } from "../support/e2e_target.ts";
import {
  MovedJob,
  startOnTerminal,
  statOf,
  typeInShell,
  untilForeground,
  untilRunning,
} from "../support/jobs_moved.ts";
import { moveInShell, reptyrOf, stopByKey, untilRaw } from "../support/jobs_shell.ts";
import { requires } from "../support/programs.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

const INNER_PROMPT = "inner> ";

/** An interactive shell that is a job of another. */
function startInner(): { old: Terminal; inner: number } {
  const old = typeInShell(`PS1='${INNER_PROMPT}' bash --norc --noprofile -i`);
  const inner = waitUntil("the inner shell", () => {
    const [pid, ...more] = descendantsOf(old.pid);
    return pid !== undefined && more.length === 0 && pid;
  });
  old.expect(/\r\n[^]*inner> /);
  untilForeground(inner);
  untilBlocked(inner);
  return { old, inner };
}

/** The new shell says that reptyr is stopped, and works. */
function expectStopped(shell: Terminal): void {
  shell.expect(/\[1\]\+ +Stopped +\S*reptyr \d+/);
  shell.expect(PROMPT);
  shell.line("echo $((6 * 7))");
  shell.expect(/[\r\n]42\r\n/);
  shell.expect(PROMPT);
}

describe("a moved job that stops itself", () => {
  afterEach(assertNoneLeft);

  requires("bash")("by bash's suspend, twice", () => {
    const { old, inner } = startInner();
    using _ = old;
    using job = new MovedJob(old, [inner]);
    using shell = moveInShell(job, inner);
    for (const word of ["once", "twice"]) {
      shell.line(`echo "${word}"; suspend`);
      shell.expect(`${word}\r\n`);
      expectStopped(shell);
      shell.line("fg");
      untilRaw(shell);
      shell.line("echo on again $((3 * 4))");
      shell.expect("on again 12\r\n");
    }
    shell.line("exit 9");
    shell.expect(/exit\r\n/);
    shell.expect(PROMPT);
    shell.line('echo "status $?"');
    shell.expect("status 9\r\n");
  });

  requires("bash")("in a script: its earlier output stands above the prompt", () => {
    const script = 'read -r line; echo "got $line"; kill -STOP $$; read -r line; exit 4';
    using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", script]);
    const pids = untilRunning(old, ["bash"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[0]!);
    shell.line("words");
    shell.expect("got words\r\n");
    expectStopped(shell);
    shell.line("fg");
    untilRaw(shell);
    shell.line("more");
    shell.expect(PROMPT);
    shell.line('echo "status $?"');
    shell.expect("status 4\r\n");
  });

  requires("nano")("by nano's ^T^Z: its screen is gone, and comes back", () => {
    using old = startOnTerminal("foreground job", ["nano", "--ignorercfiles"]);
    old.expectScreen("GNU nano");
    const pids = untilRunning(old, ["nano"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids, RESTLESS);
    using shell = moveInShell(job, pids[0]!);
    shell.expectScreen("GNU nano");
    shell.type("some words");
    shell.expectScreen("some words");
    shell.press("^T");
    shell.expectScreen("Command to execute");
    shell.press("^Z");
    expectStopped(shell);
    assert(!shell.screen.text.includes("some words"));
    shell.line("fg");
    shell.expectScreen("some words");
    shell.press("^X");
    shell.expectScreen("Save modified buffer");
    shell.type("n");
    shell.expect(PROMPT);
  });

  requires("bash")("without any output: the next key reveals the stop", () => {
    const { old, inner } = startInner();
    using _ = old;
    using job = new MovedJob(old, [inner]);
    using shell = moveInShell(job, inner);
    shell.line("echo here $((1 + 1))");
    shell.expect("here 2\r\n");
    const reptyr = reptyrOf(shell);
    waitUntil("reptyr to wait without end", () => waitsWithoutEnd(reptyr));
    job.handle(inner).signal(19);
    waitUntil("the stop", () => statOf(inner).state === "T");
    shell.press("^Z");
    expectStopped(shell);
    shell.line("fg");
    untilRaw(shell);
    shell.line("exit");
    shell.expect(/exit\r\n/);
    shell.expect(PROMPT);
  });
});

/** The pump waits in a poll(2) on another thread, and the first in epoll_wait(2). */
function waitsWithoutEnd(pid: number): boolean {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].some(({ name }) =>
    name !== String(pid) &&
    /^7 .* 0xffffffff/.test(Deno.readTextFileSync(`/proc/${pid}/task/${name}/syscall`))
  );
}

describe("a stop that is not the job's own", () => {
  afterEach(assertNoneLeft);

  requires("bash", "cat")("of a job of a moved shell is left to that shell", () => {
    const { old, inner } = startInner();
    using _ = old;
    using job = new MovedJob(old, [inner]);
    using shell = moveInShell(job, inner);
    shell.line("cat");
    const cat = waitUntil(
      "cat",
      () => descendantsOf(inner).find((pid) => readStat(pid)?.comm === "cat"),
    );
    untilForeground(cat);
    shell.press("^Z");
    shell.expect(/\[1\]\+ +Stopped +cat/);
    shell.expect(INNER_PROMPT);
    shell.line("fg");
    waitUntil("cat to go on", () => statOf(cat).state === "S");
    shell.line("words");
    shell.expect("words\r\nwords\r\n");
    shell.press("^D");
    shell.expect(INNER_PROMPT);
    shell.line("exit 3");
    shell.expect(/exit\r\n/);
    shell.expect(PROMPT);
    shell.line('echo "status $?"');
    shell.expect("status 3\r\n");
    assert(!/Stopped +\S*reptyr/.test(shell.output));
  });

  requires("bash", "cat")("of a command leaves the terminal with its script", () => {
    const script = "cat; read -r line; exit 7";
    using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", script]);
    const pids = untilRunning(old, ["bash", "cat"]);
    pids.forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[1]!);
    job.handle(pids[1]!).signal(19);
    waitUntil("the stop", () => statOf(pids[1]!).state === "T");
    shell.line("words");
    shell.expect("words\r\n");
    const reptyr = reptyrOf(shell);
    waitUntil("reptyr to wait without end", () => waitsWithoutEnd(reptyr));
    assert(!/Stopped +\S*reptyr/.test(shell.output));
    stopByKey(shell, job);
    shell.line("fg");
    shell.expect("words\r\n");
    shell.press("^C");
    shell.expect(PROMPT);
  });
});
