/** `reptyr -T`: a terminal to which another reptyr has moved a job. What that one did for the job goes on. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft, PROMPT, SHELL } from "../support/e2e_target.ts";
import { MovedJob, statOf, typeInShell, untilRunning } from "../support/jobs_moved.ts";
import { moveInShell, reptyrOf, stopByKey } from "../support/jobs_shell.ts";
import { requires } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Stolen } from "../support/steal.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

/** A pipeline out of a shell, moved by one reptyr; and a shell in which another has taken that one's terminal. */
class Taken implements Disposable {
  readonly old: Terminal;
  readonly job: MovedJob;
  readonly shell: Terminal;
  readonly #cleanup: DisposableStack;

  constructor() {
    using cleanup = new DisposableStack();
    this.old = cleanup.use(typeInShell("cat | cat"));
    const pids = untilRunning(this.old, ["cat", "cat"]);
    pids.forEach((pid) => untilBlocked(pid));
    this.job = cleanup.use(new MovedJob(this.old, pids));
    const moved = cleanup.use(this.job.move(pids[0]!));
    this.shell = cleanup.use(Terminal.start(SHELL, { label: "new" }));
    this.shell.expect(PROMPT);
    this.shell.line(`${reptyrPath} -T -V ${pids[0]}`);
    this.shell.expect(/Serving \/dev\/pts\/\d+\r\n/);
    moved.expect(/reptyr: another reptyr has taken \/dev\/pts\/\d+ away from here/);
    assertEquals(moved.expectExit(), { kind: "exited", status: 0 });
    assert(!moved.output.includes("ignoring SIGHUP"), moved.output);
    this.#cleanup = cleanup.move();
  }

  echoes(text: string): void {
    this.shell.line(text);
    this.shell.expect(`${text}\r\n${text}\r\n`);
  }

  untilState(state: RegExp): void {
    waitUntil(`state ${state}`, () => this.job.pids.every((pid) => state.test(statOf(pid).state)));
  }

  expectEnd(): void {
    for (const pid of this.job.pids) {
      assert(this.job.handle(pid).waitForEnd(20_000), `Process ${pid} has not heard of it`);
    }
  }

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}

/** The job is told of by the record of the reptyr that serves it. */
const knowing = requiresCapability("memfd", requires("cat"));

describe("reptyr -T takes a job that reptyr has moved, with its terminal", () => {
  afterEach(assertNoneLeft);

  knowing("handles ^Z of an orphaned group, and ^C for all of the job", () => {
    using taken = new Taken();
    const { shell } = taken;
    taken.echoes("first");
    shell.press("^Z");
    shell.expect(/\[1\]\+ +Stopped/);
    shell.expect(PROMPT);
    taken.untilState(/[Tt]/);
    shell.line("fg");
    taken.untilState(/[SR]/);
    shell.expect("fg\r\n");
    taken.echoes("second");
    shell.press("^C");
    shell.expect(PROMPT);
    taken.expectEnd();
    shell.line('echo "status $?"');
    shell.expect("status 130\r\n");
  });

  knowing("restores its handling of SIGHUP when its old shell has ended", () => {
    using taken = new Taken();
    const { old, job } = taken;
    old.line("exit");
    old.line("exit"); // after `There are stopped jobs.`
    old.expectExit();
    job.expectOwnHangup();
    taken.echoes("still here");
  });

  knowing("hangs up all of the job when a signal ends reptyr", () => {
    using taken = new Taken();
    Deno.kill(reptyrOf(taken.shell), "SIGTERM");
    taken.shell.expect("reptyr: ended by SIGTERM: the programs on /dev/pts/");
    taken.expectEnd();
  });
});

describe("reptyr -T takes a job that ^Z has stopped under the reptyr that serves it", () => {
  afterEach(assertNoneLeft);

  for (const [shape, count] of [["session leader", 1], ["foreground job", 2]] as const) {
    knowing(`continues the job, as fg does; its first reptyr ends: ${shape}`, () => {
      using old = count === 1
        ? Terminal.start(["cat"], { label: "old" })
        : typeInShell("cat | cat");
      const pids = count === 1 ? [old.pid] : untilRunning(old, ["cat", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using first = moveInShell(job, pids[0]!);
      stopByKey(first, job);
      using second = Stolen.from(pids[0]!);
      assert(!second.terminal.output.includes("ignoring SIGHUP"), second.terminal.output);
      second.terminal.line("words");
      second.terminal.expect("words\r\nwords\r\n");
      first.expect(/reptyr: another reptyr has taken \/dev\/pts\/\d+ away from here/);
      if (count > 1) {
        old.line("exit");
        old.line("exit"); // after `There are stopped jobs.`
        old.expectExit();
      }
      job.expectOwnHangup();
      second.terminal.press("^C");
      second.expectEnd(130);
      for (const pid of pids) assert(job.handle(pid).waitForEnd(20_000), `process ${pid}`);
    });
  }
});
