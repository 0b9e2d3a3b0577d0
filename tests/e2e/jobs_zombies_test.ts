/** Processes of the target's group that have ended, and that nobody waits for. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { descendantsOf } from "../support/child.ts";
import { assertNoneLeft, PROMPT, RESTLESS } from "../support/e2e_target.ts";
import {
  living,
  MovedJob,
  startOnTerminal,
  statOf,
  untilForeground,
} from "../support/jobs_moved.ts";
import { requires } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { continueBy, moveInShell, stopByKey } from "../support/jobs_shell.ts";
import { untilBlocked } from "../support/victim.ts";

/**
 * Has a zombie, which ends with status 5 by `end`, and a child that lives. `wait` tells what waiting for the zombie
 * gives; both tell signals that they get.
 */
const source = (end: string) => `
import fcntl, os, signal, struct, sys, termios
zombie = os.fork()
if zombie == 0: ${end}
child = os.fork()
name = "parent" if child else "child"
def told(number, frame): os.write(1, ("%s %s\\n" % (name, signal.Signals(number).name)).encode())
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH): signal.signal(number, told)
if child == 0:
    while True: signal.pause()
print("ready", zombie, flush=True)
for line in sys.stdin:
    if line == "wait\\n": print("waited", os.waitpid(zombie, 0) == (zombie, 5 << 8), flush=True)
    elif line == "size\\n": print("size", struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))[:2], flush=True)
    else: print("got", line, end="", flush=True)
os.kill(child, signal.SIGKILL)
`;

const KINDS = {
  "that never called execve": source("os._exit(5)"),
  "that had called execve": source('os.execlp("sh", "sh", "-c", "exit 5")'),
};

interface Family {
  readonly old: Terminal;
  readonly parent: number;
  readonly zombie: number;
  readonly job: MovedJob;
}

function start(kind: keyof typeof KINDS, cleanup: DisposableStack): Family {
  const old = cleanup.use(startOnTerminal("foreground job", ["python3", "-c", KINDS[kind]]));
  const zombie = Number(old.expect(/ready (\d+)\r\n/)[1]);
  waitUntil("the zombie", () => readStat(zombie)?.state === "Z");
  const pids = living(descendantsOf(old.pid));
  untilForeground(pids[0]!);
  pids.forEach((pid) => untilBlocked(pid));
  assertEquals(statOf(zombie).pgrp, pids[0]);
  return { old, parent: pids[0]!, zombie, job: cleanup.use(new MovedJob(old, pids, RESTLESS)) };
}

function useThere(moved: Terminal): void {
  moved.press("^C");
  for (const name of ["parent", "child"]) moved.expectScreen(`${name} SIGINT`);
  moved.press("^\\");
  for (const name of ["parent", "child"]) moved.expectScreen(`${name} SIGQUIT`);
  moved.resize(31, 97);
  for (const name of ["parent", "child"]) moved.expectScreen(`${name} SIGWINCH`);
  moved.line("size");
  moved.expect("size (31, 97)\r\n");
  moved.line("wait");
  moved.expect("waited True\r\n");
}

describe("a job of a shell with a zombie", () => {
  afterEach(assertNoneLeft);

  requires("python3")("that never called execve: the job is moved like any other", () => {
    using cleanup = new DisposableStack();
    const { parent, zombie, job } = start("that never called execve", cleanup);
    using moved = job.move(parent, { args: ["--redraw=none"] });
    assertEquals(statOf(zombie).state, "Z");
    assert(!moved.output.includes("warning"));
    useThere(moved);
    moved.press("^D");
    job.expectEnd(moved, 0);
  });

  requires("python3")("that had called execve: the job stays, with a warning", () => {
    using cleanup = new DisposableStack();
    const { old, parent, zombie, job } = start("that had called execve", cleanup);
    const { session, pgrp, ttyNr } = statOf(parent);
    using moved = job.move(parent, { args: ["--redraw=none"], columns: 250, keepsSession: true });
    assertMatch(
      moved.expectScreen(/warning: Process/).text.replaceAll(/\s+/g, " "),
      new RegExp(
        `warning: Process ${parent} stays in its old session, where /dev/tty is the terminal it ` +
          `comes from: process ${zombie} of its group has ended`,
      ),
    );
    assertEquals(statOf(zombie).state, "Z");
    const now = statOf(parent);
    assertEquals([now.session, now.pgrp, now.ttyNr], [session, pgrp, ttyNr]);
    old.expect(PROMPT);
    useThere(moved);
    old.hangUp();
    old.expectExit();
    job.expectOwnHangup();
    moved.line("words");
    moved.expect("got words\r\n");
    moved.press("^D");
    job.expectEnd(moved, 0);
  });

  for (const kind of ["that never called execve", "that had called execve"] as const) {
    requires("python3")(`${kind}: stopped by ^Z, with the old shell ended meanwhile`, () => {
      using cleanup = new DisposableStack();
      const { old, parent, job } = start(kind, cleanup);
      using shell = moveInShell(job, parent, {}, kind === "that had called execve");
      stopByKey(shell, job);
      old.hangUp();
      old.expectExit();
      continueBy(shell, "fg", job);
      job.expectOwnHangup();
      shell.line("words");
      shell.expect("got words\r\n");
      shell.press("^D");
      shell.expect(PROMPT);
    });

    requires("python3")(`${kind}: moved twice`, () => {
      using cleanup = new DisposableStack();
      const { old, parent, job } = start(kind, cleanup);
      using second = job.move(parent, { keepsSession: kind === "that had called execve" });
      if (kind === "that had called execve") {
        second.line("wait");
        second.expect("waited True\r\n");
      }
      using third = job.move(parent);
      assertEquals(second.expectExit(), { kind: "exited", status: 0 });
      third.press("^C");
      for (const name of ["parent", "child"]) third.expectScreen(`${name} SIGINT`);
      old.hangUp();
      old.expectExit();
      job.expectOwnHangup();
      third.line("words");
      third.expect("got words\r\n");
      third.press("^D");
      job.expectEnd(third, 0);
    });

    requires("python3")(`${kind}: hung up with the new terminal`, () => {
      using cleanup = new DisposableStack();
      const { parent, job } = start(kind, cleanup);
      using moved = job.move(parent, { keepsSession: kind === "that had called execve" });
      moved.hangUp();
      for (const pid of job.pids) assert(job.handle(pid).waitForEnd(20_000));
    });
  }
});
