/** SIGHUP: from the old shell it reaches no member, from the new terminal each of them; and afterwards all is as before. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGKILL } from "../../src/ffi/constants.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { descendantsOf } from "../support/child.ts";
import { assertNoneLeft, PROMPT, RESTLESS } from "../support/e2e_target.ts";
import {
  MovedJob,
  startOnTerminal,
  statOf,
  terminalsOf,
  typeInShell,
  untilForeground,
  untilRunning,
} from "../support/jobs_moved.ts";
import { orDispose } from "../support/or_dispose.ts";
import { requires } from "../support/programs.ts";
import { startReptyr } from "../support/reptyr.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

/** Parent and child catch SIGHUP, and write which of them got it to the files named; each goes on. */
const WITNESSES = `
import os, signal, sys
child = os.fork() == 0
def hangup(*unused):
    with open(sys.argv[2 if child else 1], "a") as file: file.write("hung up\\n")
signal.signal(signal.SIGHUP, hangup)
if child:
    while True: signal.pause()
print("ready", flush=True)
while True: signal.pause()
`;

class Witnesses implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "reptyr-hangup-" });

  get argv(): string[] {
    return ["python3", "-c", WITNESSES, `${this.folder}/parent`, `${this.folder}/child`];
  }

  told(who: "parent" | "child"): string {
    try {
      return Deno.readTextFileSync(`${this.folder}/${who}`);
    } catch {
      return "";
    }
  }

  untilTold(): void {
    waitUntil("both to be hung up", () => this.told("parent") !== "" && this.told("child") !== "");
    // The kernel signals a session's leader twice, the second time with its group: __tty_hangup().
    assertMatch(this.told("parent"), /^(hung up\n){1,2}$/);
    assertEquals(this.told("child"), "hung up\n");
  }

  start(): { old: Terminal; pids: number[] } {
    const old = startOnTerminal("foreground job", this.argv);
    return orDispose(old, () => {
      old.expect("ready\r\n");
      const pids = descendantsOf(old.pid);
      untilForeground(pids[0]!);
      pids.forEach((pid) => untilBlocked(pid));
      return { old, pids };
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

describe("the handling of SIGHUP in a job", () => {
  afterEach(assertNoneLeft);

  for (const moves of [1, 2, 3]) {
    requiresCapability("memfd", requires("python3"))(
      `is restored at the end of its first shell, after ${moves} moves`,
      () => {
        using witnesses = new Witnesses();
        const { old, pids } = witnesses.start();
        using _ = old;
        using job = new MovedJob(old, pids, RESTLESS);
        using terminals = new DisposableStack();
        const shown = Array.from({ length: moves }, () => terminals.use(job.move(pids[0]!)));
        for (const left of shown.slice(0, -1)) {
          assertEquals(left.expectExit(), { kind: "exited", status: 0 });
          assert(!left.output.includes("SIGHUP"), left.output);
        }
        old.hangUp();
        old.expectExit();
        job.expectAsBefore();
        assertEquals([witnesses.told("parent"), witnesses.told("child")], ["", ""]);
        // The last terminal goes away: by then nothing is kept from anyone.
        shown.at(-1)!.hangUp();
        witnesses.untilTold();
      },
    );
  }

  requiresCapability("memfd", requires("python3"))(
    "is restored by the next move, when the first shell ended in between",
    () => {
      using witnesses = new Witnesses();
      const { old, pids } = witnesses.start();
      using _ = old;
      using job = new MovedJob(old, pids, RESTLESS);
      // Stopped, the first reptyr cannot lift its shields.
      using moved = job.move(pids[0]!);
      moved.child.handle.signal(19);
      waitUntil("the first reptyr to stop", () => statOf(moved.pid).state === "T");
      old.hangUp();
      old.expectExit();
      const before = terminalsOf(pids[0]!);
      using third = startReptyr([pids[0]!]);
      waitUntil("the second move", () => terminalsOf(pids[0]!).join() !== before.join());
      job.expectOwnHangup();
      moved.child.handle.signal(18);
      assertEquals(moved.expectExit(), { kind: "exited", status: 0 });
      third.hangUp();
      witnesses.untilTold();
    },
  );
});

describe("when the new terminal goes away", () => {
  afterEach(assertNoneLeft);

  for (const shell of ["lives", "has ended"] as const) {
    requires("python3")(`every member gets SIGHUP once; the first shell ${shell}`, () => {
      using witnesses = new Witnesses();
      const { old, pids } = witnesses.start();
      using _ = old;
      using job = new MovedJob(old, pids, RESTLESS);
      using moved = job.move(pids[0]!);
      if (shell === "has ended") {
        old.hangUp();
        old.expectExit();
        job.expectOwnHangup();
      }
      moved.hangUp();
      witnesses.untilTold();
      job.expectOwnHangup();
      job.assertAlive();
    });
  }

  requires("python3")("or reptyr gets SIGTERM, every member gets SIGHUP once", () => {
    using witnesses = new Witnesses();
    const { old, pids } = witnesses.start();
    using _ = old;
    using job = new MovedJob(old, pids, RESTLESS);
    using moved = job.move(pids[0]!);
    moved.child.handle.signal(15);
    witnesses.untilTold();
    assertEquals(moved.expectExit(), { kind: "exited", status: 143 });
    job.expectOwnHangup();
  });

  requires("bash", "cat")(
    "a script gets SIGHUP before its child ends, so its next line does not run",
    () => {
      using witnesses = new Witnesses();
      const script = ["bash", "--norc", "-c", 'cat; echo on > "$0"', `${witnesses.folder}/parent`];
      using old = startOnTerminal("foreground job", script);
      const pids = untilRunning(old, ["bash", "cat"]);
      untilForeground(pids[0]!);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using moved = job.move(pids[0]!);
      moved.hangUp();
      for (const pid of pids) assert(job.handle(pid).waitForEnd(20_000));
      assertEquals(witnesses.told("parent"), "");
    },
  );

  requires("python3")(
    "by SIGKILL for reptyr: the shielded target gets no SIGHUP",
    () => {
      using witnesses = new Witnesses();
      const { old, pids } = witnesses.start();
      using _ = old;
      using job = new MovedJob(old, pids, RESTLESS);
      using moved = job.move(pids[0]!);
      moved.child.handle.signal(SIGKILL);
      moved.expectExit();
      waitUntil("the terminal to be gone", () => statOf(pids[0]!).ttyNr === 0);
      job.assertAlive();
      assertEquals([witnesses.told("parent"), witnesses.told("child")], ["", ""]);
    },
  );
});

describe("the leader of the old session, moved with its child", () => {
  afterEach(assertNoneLeft);

  requires("bash", "cat")("outlives the old terminal, and gets no SIGHUP", () => {
    using witnesses = new Witnesses();
    const says = `trap 'echo hangup >> "$0"' HUP; trap 'echo continued >> "$0"' CONT`;
    const script = `${says}; cat; read x; echo "<$x>"; exit 7`;
    using old = startOnTerminal("session leader", [
      ...["bash", "--norc", "-c", script, `${witnesses.folder}/parent`],
    ]);
    const pids = untilRunning(old, ["bash", "cat"]);
    pids.forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, pids);
    using moved = job.move(pids[1]!);
    assertEquals(pids.map((pid) => statOf(pid).session), pids);
    old.hangUp();
    moved.line("words");
    moved.expect("words\r\nwords\r\n");
    job.assertAlive();
    moved.press("^D");
    assert(job.handle(pids[1]!).waitForEnd(20_000));
    moved.line("of the script");
    moved.expect("<of the script>\r\n");
    assertEquals(old.expectExit(), { kind: "exited", status: 7 });
    assertEquals(witnesses.told("parent"), "");
    assertEquals(moved.expectExit(), { kind: "exited", status: 0 });
  });

  requires("bash", "cat", "sleep")(
    "keeps its terminal when another of its jobs is in the foreground",
    () => {
      // A shell's own group is in the background then, with what runs in that group.
      const script = "set +m; sleep 1000 & child=$!; set -m; echo started; cat; set +m; wait";
      using old = startOnTerminal("session leader", ["bash", "--norc", "-c", script]);
      const pids = untilRunning(old, ["bash", "sleep", "cat"]);
      const [bash, sleep, cat] = pids;
      untilForeground(cat!);
      pids.forEach((pid) => untilBlocked(pid));
      assertEquals(pids.map((pid) => statOf(pid).pgrp), [bash, bash, cat]);
      using job = new MovedJob(old, [bash!, sleep!]);
      using moved = job.move(sleep!);
      moved.transfer();
      old.line("words");
      old.expect("words\r\nwords\r\n");
      assertEquals([bash, cat].map((pid) => statOf(pid!).ttyNr), [
        statOf(cat!).ttyNr,
        statOf(cat!).ttyNr,
      ]);
      assert(statOf(cat!).ttyNr !== 0);
      old.press("^D");
    },
  );
});

describe("an interactive shell within the job of another", () => {
  afterEach(assertNoneLeft);

  requires("bash", "cat")("is moved with its own foreground job, and ^C ends that", () => {
    using old = typeInShell("bash --norc --noprofile -i");
    const [inner] = waitUntil("the shell", () => {
      const pids = descendantsOf(old.pid);
      return pids.length === 1 && pids;
    });
    old.expect(PROMPT);
    waitUntil("it to be in the foreground", () => statOf(inner!).tpgid === inner);
    old.line("cat");
    const cat = waitUntil("cat", () => descendantsOf(inner!)[0]);
    waitUntil("cat to be in the foreground", () => statOf(cat).comm === "cat");
    untilForeground(cat);
    [inner!, cat].forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, [inner!, cat]);
    using moved = job.move(inner!);
    moved.line("words");
    moved.expect("words\r\nwords\r\n");
    moved.press("^C");
    moved.expect(PROMPT);
    assert(job.handle(cat).waitForEnd(20_000));
    moved.line("exit 5");
    job.expectEnd(moved, 5);
  });
});
