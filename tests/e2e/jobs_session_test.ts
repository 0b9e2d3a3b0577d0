/** A whole shell with its jobs: job control goes on in it as before. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { descendantsOf } from "../support/child.ts";
import { assertNoneLeft, PROMPT } from "../support/e2e_target.ts";
import { MovedJob, statOf, typeInShell, untilForeground } from "../support/jobs_moved.ts";
import { requires } from "../support/programs.ts";
import { readStat } from "../../src/proc/stat.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked, untilState } from "../support/victim.ts";

/** Says so when it is hung up or continued, and goes on. */
const WITNESS =
  "trap 'echo HANGUP' HUP; trap 'echo CONTINUED' CONT; echo witness; read -r x; echo $x";

function childNamed(shell: Terminal, name: string): number {
  return waitUntil(
    name,
    () => descendantsOf(shell.pid).find((pid) => readStat(pid)?.comm === name),
  );
}

/** Asked of the shell: TIOCNOTTY has taken the terminal from all, and only who leads the session has a new one. */
function untilInForeground(shell: number, job: number): void {
  waitUntil(
    `process ${job} to be in the foreground`,
    () => statOf(shell).tpgid === statOf(job).pgrp,
  );
}

describe("a shell that leads its session, with its foreground job", () => {
  afterEach(assertNoneLeft);

  requires("bash", "cat")("^C reaches the job, ^Z stops it under the shell, and fg works", () => {
    using old = typeInShell("cat");
    const cat = childNamed(old, "cat");
    untilForeground(cat);
    untilBlocked(cat);
    using job = new MovedJob(old, [old.pid, cat]);
    using moved = job.move(old.pid);
    moved.line("words");
    moved.expect("words\r\nwords\r\n");
    moved.press("^Z");
    moved.expect(/\[1\]\+ +Stopped +cat\r\n/);
    moved.expect(PROMPT);
    untilState(cat, "T");
    moved.line("fg");
    moved.expect("cat\r\n");
    untilInForeground(old.pid, cat);
    moved.line("more words");
    moved.expect("more words\r\nmore words\r\n");
    moved.press("^C");
    moved.expect(PROMPT);
    job.handle(cat).waitForEnd(20_000);
    moved.line('echo "status $?"');
    moved.expect("status 130\r\n");
    moved.line("exit 4");
    job.expectEnd(moved, 4);
  });

  requires("bash")("the job sees no SIGHUP and no SIGCONT", () => {
    using old = typeInShell(`bash --norc -c "${WITNESS.replaceAll("$", "\\$")}"`);
    old.expect("witness\r\n");
    const [witness] = descendantsOf(old.pid);
    untilForeground(witness!);
    untilBlocked(witness!);
    using job = new MovedJob(old, [old.pid, witness!]);
    using moved = job.move(old.pid);
    moved.line("all is well");
    moved.expect("all is well\r\nall is well\r\n");
    moved.expect(PROMPT);
    assert(!/HANGUP|CONTINUED/.test(moved.output));
    moved.line("exit 4");
    job.expectEnd(moved, 4);
  });

  requires("bash", "cat", "sleep")("jobs in the background stay as they are", () => {
    using old = typeInShell("cat");
    const stopped = childNamed(old, "cat");
    untilForeground(stopped);
    untilBlocked(stopped);
    old.press("^Z");
    old.expect(/\[1\]\+ +Stopped/);
    old.expect(PROMPT);
    old.line("sleep 1000 &");
    old.expect(/\[2\] \d+\r\n/);
    old.expect(PROMPT);
    const sleep = childNamed(old, "sleep");
    [old.pid, sleep].forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, [old.pid, stopped, sleep]);
    using moved = job.move(old.pid);
    // sleep runs for a moment: its call is made again.
    untilBlocked(sleep);
    assertEquals(statOf(stopped).state, "T");
    moved.line("jobs");
    moved.expect(/\[1\]\+ +Stopped +cat\r\n\[2\]- +Running +sleep 1000 &\r\n/);
    moved.line("fg %1");
    moved.expect("cat\r\n");
    untilInForeground(old.pid, stopped);
    moved.line("words");
    moved.expect("words\r\nwords\r\n");
    moved.press("^D");
    moved.expect(PROMPT);
    moved.line("kill %2; wait; exit 4");
    job.expectEnd(moved, 4);
  });

  // TIOCNOTTY takes it from the whole session, and there is no way to give it back to any but the leader.
  requires("bash")(
    "only new jobs have /dev/tty; an earlier job works without it, and is named",
    () => {
      const inner =
        "while read -r word; do if (: < /dev/tty); then echo yes; else echo no; fi; done";
      using old = typeInShell(`bash --norc -c '${inner}' 2>&1`);
      const [job0] = waitUntil("the job", () => {
        const pids = descendantsOf(old.pid);
        return pids.length === 1 && pids;
      });
      untilForeground(job0!);
      untilBlocked(job0!);
      using job = new MovedJob(old, [old.pid, job0!]);
      using moved = job.move(old.pid, { columns: 300 });
      moved.expect(
        `warning: Process ${job0}, in the session of process ${old.pid}, will have no /dev/tty`,
      );
      moved.expect(`run: reptyr -T ${old.pid}`);
      assertEquals([old.pid, job0!].map((pid) => statOf(pid).ttyNr === 0), [false, true]);
      moved.line("ask");
      moved.expect(/\/dev\/tty: No such device or address\r\nno\r\n/);
      moved.press("^Z");
      moved.expect(/\[1\]\+ +Stopped/);
      moved.expect(PROMPT);
      moved.line(`bash --norc -c '${inner}'`);
      waitUntil("the new job", () => statOf(old.pid).tpgid !== old.pid);
      moved.line("ask");
      moved.expect("ask\r\nyes\r\n");
      moved.press("^D");
      moved.expect(PROMPT);
      moved.line("fg");
      untilInForeground(old.pid, job0!);
      moved.press("^C");
      moved.expect(PROMPT);
      moved.line("exit 4");
      job.expectEnd(moved, 4);
    },
  );

  requires("bash")("no warning is given for a shell without jobs", () => {
    using old = typeInShell("echo $((6 * 7))");
    old.expect("42\r\n");
    old.expect(PROMPT);
    using job = new MovedJob(old, [old.pid]);
    using moved = job.move(old.pid);
    moved.line("exit 4");
    job.expectEnd(moved, 4);
    assert(!moved.output.includes("warning"));
  });
});
