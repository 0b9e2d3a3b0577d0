/** While ^Z holds a job in the new shell: what the old shell, other reptyrs and signals do to it. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGCONT, SIGHUP, SIGKILL, SIGTERM } from "../../src/ffi/constants.ts";
import { readStatus } from "../../src/proc/status.ts";
import { assertNoneLeft, PROMPT, RESTLESS } from "../support/e2e_target.ts";
import {
  MovedJob,
  startOnTerminal,
  statOf,
  typeInShell,
  untilRunning,
} from "../support/jobs_moved.ts";
import { continueBy, moveInShell, reptyrOf, stopByKey } from "../support/jobs_shell.ts";
import { ProcessHandle } from "../support/child.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { requires } from "../support/programs.ts";
import { startReptyr } from "../support/reptyr.ts";
import { Stolen } from "../support/steal.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

function startCat(): { old: Terminal; job: MovedJob; cat: number } {
  const old = startOnTerminal("foreground job", ["cat"]);
  const pids = untilRunning(old, ["cat"]);
  untilBlocked(pids[0]!);
  return { old, job: new MovedJob(old, pids), cat: pids[0]! };
}

const ENDS = {
  "its window is closed": (old: Terminal) => old.hangUp(),
  "it exits": (old: Terminal) => {
    old.line("exit");
    // Had it known of a stop it would have warned at first.
    old.line("exit");
  },
  "it exits with huponexit": (old: Terminal) => old.line("shopt -s huponexit; exec true"),
} as const;

describe("a job stopped by ^Z, when the shell that it was started from ends", () => {
  afterEach(assertNoneLeft);

  for (const [how, end] of Object.entries(ENDS)) {
    requires("cat")(`survives and stays stopped: ${how}`, () => {
      const { old, job, cat } = startCat();
      using _old = old;
      using _job = job;
      using shell = moveInShell(job, cat);
      old.expect(PROMPT);
      stopByKey(shell, job);
      end(old);
      old.expectExit();
      assert(/[Tt]/.test(statOf(cat).state));
      continueBy(shell, "fg", job);
      shell.line("words");
      shell.expect("words\r\nwords\r\n");
      job.expectOwnHangup();
      shell.press("^C");
      shell.expect(PROMPT);
      shell.line('echo "status $?"');
      shell.expect("status 130\r\n");
    });

    requires("bash", "cat")(`survives, a script with its child: ${how}`, () => {
      using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", "cat; exit 7"]);
      const pids = untilRunning(old, ["bash", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using shell = moveInShell(job, pids[0]!);
      old.expect(PROMPT);
      stopByKey(shell, job);
      end(old);
      old.expectExit();
      continueBy(shell, "fg", job);
      shell.line("words");
      shell.expect("words\r\nwords\r\n");
      job.expectOwnHangup();
      shell.press("^D");
      shell.expect(PROMPT);
      shell.line('echo "status $?"');
      shell.expect("status 7\r\n");
    });

    requires("cat", "tr")(`survives, a pipeline: ${how}`, () => {
      using old = typeInShell("cat | tr a-z A-Z | cat");
      const pids = untilRunning(old, ["cat", "tr", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using shell = moveInShell(job, pids[0]!);
      old.expect(PROMPT);
      stopByKey(shell, job);
      end(old);
      old.expectExit();
      continueBy(shell, "fg", job);
      shell.line("words");
      job.expectOwnHangup();
      shell.press("^D");
      shell.expect("WORDS\r\n");
      shell.expect(PROMPT);
    });
  }

  requires("python3")("gets no SIGHUP, before or after, even when it catches SIGHUP", () => {
    const source = `
import signal, sys
signal.signal(signal.SIGHUP, lambda *unused: print("hung up", flush=True))
print("ready", flush=True)
for line in sys.stdin: print("got", line, end="", flush=True)
`;
    using old = startOnTerminal("foreground job", ["python3", "-c", source]);
    old.expect("ready\r\n");
    const pids = untilRunning(old, ["python3"]);
    untilBlocked(pids[0]!);
    using job = new MovedJob(old, pids, RESTLESS);
    using shell = moveInShell(job, pids[0]!);
    stopByKey(shell, job);
    old.hangUp();
    old.expectExit();
    continueBy(shell, "fg", job);
    job.expectOwnHangup();
    shell.line("words");
    shell.expect("got words\r\n");
    assert(!shell.output.includes("hung up"));
    job.handle(pids[0]!).signal(SIGHUP);
    shell.expect("hung up\r\n");
    shell.press("^D");
    shell.expect(PROMPT);
  });
});

describe("a job stopped by ^Z", () => {
  afterEach(assertNoneLeft);

  requires("cat")("does not count as a stopped job in the old shell", () => {
    const { old, job, cat } = startCat();
    using _old = old;
    using _job = job;
    using shell = moveInShell(job, cat);
    old.expect(PROMPT);
    stopByKey(shell, job);
    old.line("jobs; echo $((6 * 7))");
    assert(/Running +'cat'/.test(old.expect(/jobs; [^]*\n42\r\n/)[0]));
    continueBy(shell, "fg", job);
    shell.press("^D");
    shell.expect(PROMPT);
  });

  requires("cat")("is moved on by another reptyr", () => {
    const { old, job, cat } = startCat();
    using _old = old;
    using _job = job;
    using shell = moveInShell(job, cat);
    stopByKey(shell, job);
    using why = startReptyr([`--why=${cat}`]);
    assertEquals(why.expectExit(), { kind: "exited", status: 0 }, why.describe());
    using third = startReptyr([cat]);
    waitUntil("cat to be served by nobody else", () => readStatus(cat)?.tracerPid === 0);
    third.line("third");
    third.expect("third\r\nthird\r\n");
    shell.line("");
    shell.expect(`process ${cat} has left this terminal`);
    old.hangUp();
    old.expectExit();
    job.expectOwnHangup();
    third.press("^C");
    assertEquals(third.expectExit(), { kind: "exited", status: 130 });
  });

  requiresCapability("memfd", requires("cat"))(
    "goes on by fg after another reptyr has taken its terminal",
    () => {
      const { old, job, cat } = startCat();
      using _old = old;
      using _job = job;
      using shell = moveInShell(job, cat);
      stopByKey(shell, job);
      using stolen = Stolen.from(cat);
      shell.line("fg");
      shell.expect(/reptyr: another reptyr has taken \/dev\/pts\/\d+ away from here/);
      shell.expect(PROMPT);
      stolen.ask("words", "words\r\nwords\r\n");
      stolen.terminal.press("^C");
      stolen.expectEnd(130);
    },
  );

  requires("cat")(
    "gets the signals that were sent meanwhile, and ends at SIGKILL at once",
    () => {
      for (const signal of [SIGTERM, SIGKILL]) {
        const { old, job, cat } = startCat();
        using _old = old;
        using _job = job;
        using shell = moveInShell(job, cat);
        stopByKey(shell, job);
        job.handle(cat).signal(signal);
        if (signal === SIGKILL) waitUntil("its end", () => /Z/.test(statOf(cat).state));
        shell.line("fg");
        shell.expect(/reptyr \d+\r\n/);
        shell.expect(PROMPT);
        shell.line('echo "status $?"');
        shell.expect(`status ${128 + signal}\r\n`);
        assert(job.handle(cat).ended);
      }
    },
  );

  requires("bash", "cat")("is hung up with its terminal, with all its members", () => {
    for (const shape of ["foreground job", "session leader"] as const) {
      using old = startOnTerminal(shape, ["bash", "--norc", "-c", "cat; exit 7"]);
      const pids = untilRunning(old, ["bash", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using shell = moveInShell(job, pids[0]!);
      stopByKey(shell, job);
      shell.hangUp();
      for (const pid of pids) assert(job.handle(pid).waitForEnd(20_000), `${pid} of ${shape}`);
    }
  });

  requires("cat")(
    "goes on when reptyr is killed, and SIGHUP reaches its unshielded members",
    () => {
      const { old, job, cat } = startCat();
      using _old = old;
      using _job = job;
      using shell = moveInShell(job, cat);
      stopByKey(shell, job);
      using reptyr = new ProcessHandle(reptyrOf(shell));
      reptyr.end();
      waitUntil("the terminal to be gone", () => {
        const status = readStatus(cat);
        return status === undefined || status.tracerPid === 0;
      });
      // It reads the end of its input, and ends by itself.
      assert(job.handle(cat).waitForEnd(20_000));
    },
  );

  requires("cat")("stays held after SIGCONT from a third process", () => {
    const { old, job, cat } = startCat();
    using _old = old;
    using _job = job;
    using shell = moveInShell(job, cat);
    stopByKey(shell, job);
    job.handle(cat).signal(SIGCONT);
    assertEquals(statOf(cat).state, "t");
    continueBy(shell, "fg", job);
    shell.line("words");
    shell.expect("words\r\nwords\r\n");
    shell.press("^D");
    shell.expect(PROMPT);
  });
});
