/** Shells other than bash: as the one that the target is a job of, and as the one that reptyr becomes a job of. */
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { MovedJob, untilForeground, untilRunning } from "../support/jobs_moved.ts";
import { reptyrOf, SHELLS, untilRaw } from "../support/jobs_shell.ts";
import { requires } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

const { bash: BASH, ...OTHERS } = SHELLS;
const PROMPT = /[$#%>] ?/;
const STOPPED = /[Ss]topped|suspended/;

function start(words: readonly string[], label: string): Terminal {
  const terminal = Terminal.start(words, { label, env: { PS1: "$ ", fish_greeting: "" } });
  terminal.expect(PROMPT);
  return terminal;
}

/** The shell reads commands, runs them, and shows what they write. */
function expectCommands(shell: Terminal, number: number): void {
  shell.line(`expr ${number} + 1`);
  shell.expect(new RegExp(`[^0-9]${number + 1}\r\n`));
}

/** The job is in the foreground of reptyr's terminal, and that in the foreground of its own. */
function expectServed(shell: Terminal, text: string): void {
  untilForeground(reptyrOf(shell));
  untilRaw(shell);
  shell.line(text);
  shell.expect(`${text}\r\n${text}\r\n`);
}

function untilState(pid: number, states: RegExp): void {
  waitUntil(`process ${pid} to be ${states}`, () => states.test(readStat(pid)?.state ?? ""));
}

describe("a program is moved", () => {
  afterEach(assertNoneLeft);

  for (const [name, words] of Object.entries(OTHERS)) {
    const sides = {
      [`out of ${name} into bash`]: [words, BASH],
      [`into ${name}`]: [BASH, words],
    };
    for (const [title, [first, second]] of Object.entries(sides)) {
      requires(name, "cat", "expr")(title, () => {
        using old = start(first!, "old");
        old.line("cat");
        const pids = untilRunning(old, ["cat"]);
        const [pid] = pids as [number];
        untilBlocked(pid);
        using job = new MovedJob(old, pids);
        using shell = start(second!, "new shell");
        job.moveBy(pid, shell, () => {
          shell.line(`${reptyrPath} ${pid}`);
          return undefined;
        });
        expectCommands(old, 10);
        expectServed(shell, "first");

        shell.press("^Z");
        untilState(pid, /[Tt]/);
        shell.expect(STOPPED);
        expectCommands(shell, 20);
        shell.line("fg");
        untilState(pid, /S/);
        expectServed(shell, "second");

        shell.press("^Z");
        untilState(pid, /[Tt]/);
        shell.expect(STOPPED);
        shell.line("bg");
        untilState(pid, /S/);
        expectCommands(shell, 30);
        shell.line("fg");
        expectServed(shell, "third");

        const reptyr = reptyrOf(shell);
        shell.press("^D");
        waitUntil("reptyr to end", () => readStat(reptyr) === undefined);
        expectCommands(shell, 40);
        expectCommands(old, 50);
        for (const terminal of [shell, old]) {
          terminal.line("exit");
          terminal.expectExit();
        }
      });
    }
  }
});
