/** reptyr stopped by somebody else, and continued by the shell that it is a job of. */
import { assert, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGKILL, SIGSTOP, SIGTSTP } from "../../src/ffi/constants.ts";
import { kill } from "../../src/ffi/process.ts";
import { readStat } from "../../src/proc/stat.ts";
import { ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, PROMPT, SHELL } from "../support/e2e_target.ts";
import { MovedJob, startOnTerminal, untilRunning } from "../support/jobs_moved.ts";
import { moveInShell, reptyrOf, SHELLS, stopByKey, untilRaw } from "../support/jobs_shell.ts";
import { orDispose } from "../support/or_dispose.ts";
import { requires, victim } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Emulator } from "../support/steal.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

/** A shell in which reptyr has its terminal. */
function inShell(words: string): Terminal {
  const shell = Terminal.start(SHELL);
  return orDispose(shell, () => {
    shell.expect(PROMPT);
    shell.line(`${reptyrPath} ${words}`);
    untilRaw(shell);
    return shell;
  });
}

/** `bg`, and `fg` some time after. */
function throughBackground(shell: Terminal): void {
  shell.line("bg");
  shell.expect(PROMPT);
  shell.line("jobs");
  shell.expect(/\[1\]\+ +Running +\S*reptyr [^\n]*&/);
  shell.expect(PROMPT);
  shell.line("fg");
  untilRaw(shell);
}

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

  requires("cat")("has it raw again after fg only, when continued in the background", () => {
    using old = startOnTerminal("foreground job", ["cat"]);
    const pids = untilRunning(old, ["cat"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids);
    using shell = moveInShell(job, pids[0]!);
    stopFromOutside(shell, SIGSTOP);
    throughBackground(shell);
    shell.line("words");
    shell.expect("words\r\nwords\r\n");
    shell.press("^C");
    shell.expect(PROMPT);
  });

  requires("bash")("has it raw again with -T, at once or after bg", () => {
    using emulator = Emulator.start("poll");
    using shell = inShell(`-T ${emulator.shell}`);
    shell.line("echo $((3 * 4))");
    shell.expect(/[\r\n]12\r\n/);
    stopFromOutside(shell, SIGSTOP);
    shell.line("fg");
    untilRaw(shell);
    shell.line("echo $((5 * 6))");
    shell.expect(/[\r\n]30\r\n/);
    stopFromOutside(shell, SIGSTOP);
    throughBackground(shell);
    shell.line("echo $((7 * 8))");
    shell.expect(/[\r\n]56\r\n/);
    shell.line("exit");
    shell.expect(PROMPT);
  });

  for (const way of ["-L cat", "-l"]) {
    requires("cat")(`has it raw again with ${way}, at once or after bg`, () => {
      using shell = inShell(way);
      stopFromOutside(shell, SIGSTOP);
      shell.line("fg");
      untilRaw(shell);
      stopFromOutside(shell, SIGSTOP);
      throughBackground(shell);
      shell.press("^C");
      shell.expect(PROMPT);
    });
  }

  requires("less")("has less of -L paint its screen again", () => {
    const text = Deno.makeTempFileSync();
    using cleanup = new DisposableStack();
    cleanup.defer(() => Deno.removeSync(text));
    Deno.writeTextFileSync(text, "only line\n");
    using shell = inShell(`-L less ${text}`);
    shell.expect("only line");
    stopFromOutside(shell, SIGSTOP);
    shell.line("fg");
    shell.expect("\x1b[?1049h");
    shell.expect("only line");
    shell.type("q");
    shell.expect(PROMPT);
  });

  requires("sh", "cat")("does not set a stacked mode twice", () => {
    // kitty's keyboard protocol: `CSI > flags u` pushes, `CSI < number u` pops.
    const script = `read -r line; printf '\\033[>1u'; exec cat`;
    using old = startOnTerminal("session leader", ["sh", "-c", script]);
    using shell = inShell(`${old.pid}`);
    shell.line("now");
    shell.expect("\x1b[>1u");
    stopFromOutside(shell, SIGSTOP);
    shell.line("fg");
    const [between] = shell.expect(/[^]*\[>1u/);
    assertMatch(between, /\[<1?u/);
    untilRaw(shell);
    shell.press("^C");
    shell.expect(PROMPT);
  });

  for (const [name, words] of Object.entries(SHELLS)) {
    const title = `tells the program the size that the terminal has by now: ${name}`;
    requires("cc", name)(title, () => {
      const witness = [victim("input_hangup"), "/dev/null"];
      using old = Terminal.start(witness, { label: "old", rows: 40 });
      old.expect("ready");
      using shell = Terminal.start(words, { env: { PS1: "$ " } });
      shell.expect(/[$#%>] ?/);
      shell.line(`${reptyrPath} ${old.pid}`);
      shell.expect("size 24x80.");
      kill(reptyrOf(shell), SIGSTOP);
      shell.expect(/[Ss]topped|suspended/);
      shell.resize(30, 100);
      // dash leaves the terminal raw, where Enter is no newline.
      shell.type("fg");
      shell.press(name === "dash" ? "^J" : "^M");
      shell.expect("size 30x100.");
    });
  }

  requires("cat")("ends at the shell's kill, and leaves the shell its settings", () => {
    using old = startOnTerminal("session leader", ["cat"]);
    using shell = inShell(`${old.pid}`);
    shell.line("words");
    shell.expect("words\r\nwords\r\n");
    const reptyr = stopFromOutside(shell, SIGSTOP);
    shell.line("kill %1");
    waitUntil("reptyr to end", () => readStat(reptyr) === undefined);
    shell.line("jobs; echo $((6 * 9))");
    shell.expect("Exit 143");
    shell.expect(/[\r\n]54\r\n/);
  });

  requires("cat")("ends in the background, when its target has ended meanwhile", () => {
    using old = startOnTerminal("session leader", ["cat"]);
    using shell = inShell(`${old.pid}`);
    shell.line("words");
    shell.expect("words\r\nwords\r\n");
    const reptyr = stopFromOutside(shell, SIGSTOP);
    old.child.handle.signal(SIGKILL);
    waitUntil("cat to end", () => old.child.status !== undefined);
    shell.line("bg; wait %1");
    waitUntil("reptyr to end", () => readStat(reptyr) === undefined);
    shell.line('echo "status $?."; echo $((6 * 9))');
    shell.expect("status 137.");
    shell.expect(/[\r\n]54\r\n/);
  });
});

describe("^Z at a keyboard that is not the controlling terminal", () => {
  afterEach(assertNoneLeft);

  requires("cat", "sleep")("stops reptyr, and fg gives it the keyboard again", () => {
    using old = startOnTerminal("session leader", ["cat"]);
    using keyboard = Terminal.start(["sleep", "1000"], { label: "keyboard" });
    using shell = Terminal.start(SHELL);
    shell.expect(PROMPT);
    shell.line(`${reptyrPath} ${old.pid} < ${keyboard.device} > ${keyboard.device}`);
    untilRaw(keyboard);
    keyboard.line("words");
    keyboard.expect("words\r\nwords\r\n");
    keyboard.press("^Z");
    shell.expect("Stopped");
    shell.line("fg");
    untilRaw(keyboard);
    keyboard.line("more");
    keyboard.expect("more\r\nmore\r\n");
    keyboard.press("^C");
    shell.expect(PROMPT);
  });
});

describe("reptyr in the background", () => {
  afterEach(assertNoneLeft);

  requires("cat")("ends when its terminal goes away, wherever its output goes", () => {
    const shown = Deno.makeTempFileSync();
    using cleanup = new DisposableStack();
    cleanup.defer(() => Deno.removeSync(shown));
    using old = startOnTerminal("session leader", ["cat"]);
    using shell = Terminal.start(SHELL);
    shell.expect(PROMPT);
    const before = readStat(old.pid)?.ttyNr;
    shell.line(`${reptyrPath} ${old.pid} > ${shown}`);
    waitUntil("the move", () => readStat(old.pid)?.ttyNr !== before);
    shell.line("words");
    waitUntil("words", () => /words\r?\nwords\r?\n/.test(Deno.readTextFileSync(shown)));
    using reptyr = new ProcessHandle(reptyrOf(shell));
    shell.press("^Z");
    shell.expect("Stopped");
    shell.expect(PROMPT);
    shell.line("bg; disown -a");
    shell.expect(PROMPT);
    shell.hangUp();
    assert(reptyr.waitForEnd(20_000), "reptyr ends");
  });
});
