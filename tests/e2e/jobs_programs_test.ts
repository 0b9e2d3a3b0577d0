/** Jobs of several processes, as people have them: all members move, and all of their output comes along. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { assertNoneLeft, PROMPT, RESTLESS, SHAPES } from "../support/e2e_target.ts";
import { descendantsOf } from "../support/child.ts";
import {
  MovedJob,
  startOnTerminal,
  statOf,
  terminalsOf,
  typeInShell,
  untilForeground,
  untilRunning,
} from "../support/jobs_moved.ts";
import { requires } from "../support/programs.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { startReptyr } from "../support/reptyr.ts";
import { untilBlocked } from "../support/victim.ts";

/** The old shell shows the job stopped, has its terminal back, and works. */
function expectPromptAgain(shell: Terminal): void {
  shell.expect(/\[1\]\+ +Stopped/);
  shell.expect(PROMPT);
  shell.line("echo $((6 * 7))");
  shell.expect("\r42\r\n");
}

describe("a script with a running child", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("bash", "cat")(`goes on with its child, and then without the child: ${shape}`, () => {
      const script = 'echo go; cat; echo "cat: $?"; read -r line; echo "read $line"; exit 7';
      using old = startOnTerminal(shape, ["bash", "--norc", "-c", script]);
      const pids = untilRunning(old, ["bash", "cat"]);
      old.expect("go\r\n");
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using moved = job.move(pids[0]!);
      if (shape === "foreground job") expectPromptAgain(old);
      const before = old.output;
      moved.line("to the child");
      moved.expect("to the child\r\nto the child\r\n");
      moved.press("^D");
      moved.expect("cat: 0\r\n");
      moved.line("to the script");
      moved.expect("read to the script\r\n");
      job.expectEnd(moved, 7);
      assertEquals(old.output.slice(before.length).includes("the"), false);
    });

    requires("bash", "cat")(`^C ends both: ${shape}`, () => {
      using old = startOnTerminal(shape, ["bash", "--norc", "-c", "cat; echo never"]);
      const pids = untilRunning(old, ["bash", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using moved = job.move(pids[0]!);
      moved.press("^C");
      job.expectEnd(moved, 130);
      assert(!moved.output.includes("never"));
    });
  }

  requires("bash", "cat")("moved by the child: the script goes on after the child", () => {
    const script = 'cat; echo "cat: $?"; read -r line; echo "read $line"';
    using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", script]);
    const pids = untilRunning(old, ["bash", "cat"]);
    pids.forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, pids);
    using moved = job.move(pids[1]!);
    expectPromptAgain(old);
    moved.line("to the child");
    moved.expect("to the child\r\nto the child\r\n");
    moved.press("^D");
    moved.expect("cat: 0\r\n");
    moved.line("to the script");
    moved.expect("read to the script\r\n");
    job.expectEnd(moved, 0);
  });
});

describe("a pipeline", () => {
  afterEach(assertNoneLeft);
  const PIPELINE = "cat | tr a-z A-Z | cat";
  const untilReady = (old: Terminal): number[] => {
    const pids = untilRunning(old, ["cat", "tr", "cat"]);
    untilForeground(pids[0]!);
    pids.forEach((pid) => untilBlocked(pid));
    return pids;
  };

  ["first", "middle", "last"].forEach((which, index) => {
    requires("cat", "tr")(`moved by its ${which} process: from keys to its result`, () => {
      using old = typeInShell(PIPELINE);
      const pids = untilReady(old);
      using job = new MovedJob(old, pids);
      using moved = job.move(pids[index]!);
      expectPromptAgain(old);
      moved.line("some words");
      moved.expect("some words\r\n");
      moved.press("^D");
      moved.expect("SOME WORDS\r\n");
      job.expectEnd(moved, 0);
      assert(!old.output.includes("WORDS"));
    });

    requires("cat", "tr")(`moved by its ${which} process: ^C ends all of it`, () => {
      using old = typeInShell(PIPELINE);
      const pids = untilReady(old);
      using job = new MovedJob(old, pids);
      using moved = job.move(pids[index]!);
      moved.press("^C");
      job.expectEnd(moved, 130);
      old.line("echo $((6 * 7))");
      old.expect("\r42\r\n");
    });
  });
});

describe("make -j4", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("make", "sh")(`prints all its recipes on the new terminal: ${shape}`, () => {
      using cleanup = new DisposableStack();
      const folder = Deno.makeTempDirSync({ prefix: "e2e-make-" });
      cleanup.defer(() => Deno.removeSync(folder, { recursive: true }));
      const names = ["a", "b", "c", "d", "e", "f"];
      Deno.writeTextFileSync(
        `${folder}/Makefile`,
        `all: ${names.join(" ")}\n\t@echo all made\n` +
          `${names.join(" ")}:\n\t@echo begin $@; read x < gate_$@; echo end $@\n`,
      );
      for (const name of names) {
        new Deno.Command("mkfifo", { args: [`${folder}/gate_${name}`] }).outputSync();
      }
      using old = startOnTerminal(shape, ["make", "-j4", "-C", folder]);
      const pids = untilRunning(old, ["make", "sh", "sh", "sh", "sh"]);
      for (const name of names.slice(0, 4)) {
        waitUntil(`begin ${name}`, () => old.output.includes(`begin ${name}`));
      }
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      using moved = job.move(pids[0]!);
      if (shape === "foreground job") expectPromptAgain(old);
      for (const name of names) {
        // Opened for both, a FIFO does not wait for its reader.
        using gate = Deno.openSync(`${folder}/gate_${name}`, { read: true, write: true });
        gate.writeSync(new TextEncoder().encode("go\n"));
        moved.expect(`end ${name}\r\n`);
      }
      moved.expect("all made\r\n");
      job.expectEnd(moved, 0);
      assertEquals(/begin [ef]|end|made/.test(old.output), false);
    });
  }
});

/** Two processes of a pool say what they work on; tasks are typed. */
const POOL = `
import multiprocessing, os, sys
def work(task):
    print("worker did", task, flush=True)
    return len(task)
multiprocessing.set_start_method("fork")
with multiprocessing.Pool(2) as pool:
    print("pool of", os.getpid(), flush=True)
    for line in sys.stdin:
        print("sum", sum(pool.map(work, line.split(), 1)), flush=True)
print("done", flush=True)
`;

describe("python multiprocessing", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("python3")(`its workers print on the new terminal: ${shape}`, () => {
      using old = startOnTerminal(shape, ["python3", "-c", POOL.replaceAll("'", '"')]);
      const pids = untilRunning(old, ["python3", "python3", "python3"]);
      old.expect(/pool of \d+\r\n/);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids, RESTLESS);
      using moved = job.move(pids[0]!);
      moved.line("one three fourteen");
      for (const word of ["one", "three", "fourteen"]) {
        waitUntil(word, () => moved.output.includes(`worker did ${word}\r\n`));
      }
      moved.expect("sum 16\r\n");
      moved.press("^D");
      moved.expect("done\r\n");
      job.expectEnd(moved, 0);
      assert(!/worker did \w/.test(old.output));
    });
  }
});

/** Six moves of a script that numbers its lines. They are all there at the end, once and in order. */
function moveOften(old: Terminal, pid: number): void {
  using terminals = new DisposableStack();
  const opened = [old];
  for (let turn = 0; turn < 6; turn++) {
    const there = terminalsOf(pid);
    const next = terminals.use(startReptyr([pid]));
    opened.push(next);
    next.expect(/child (\d+) \1\r\nchild (\d+) \2\r\n/);
    assert(!terminalsOf(pid).some((name) => there.includes(name)));
    if (turn > 0) assertEquals(opened.at(-2)!.expectExit(), { kind: "exited", status: 0 });
  }
  const last = opened.at(-1)!;
  last.press("^C");
  assertEquals(last.expectExit(), { kind: "exited", status: 130 });
  const numbers = opened.flatMap(({ output }) =>
    [...output.matchAll(/^child (\d+) \1\r$/gm)].map(([, number]) => Number(number))
  );
  assertEquals(numbers, numbers.map((_, index) => index + 1));
  assertEquals(readStat(pid)?.state ?? "Z", "Z");
}

describe("a script that forks children all the time", () => {
  afterEach(assertNoneLeft);
  const LOOP = 'trap "exit 130" INT; i=0; while :; do i=$((i+1)); /bin/echo child $i $i; done';

  requires("bash")("is moved again and again, and loses no line", () => {
    using old = startOnTerminal("session leader", ["bash", "--norc", "-c", LOOP]);
    moveOften(old, old.pid);
  });
});

describe("the boundary of a job", () => {
  afterEach(assertNoneLeft);

  requires("bash", "sleep", "cat")("excludes another job of the same shell, which stays", () => {
    using old = typeInShell("sleep 1000 & cat");
    const [, cat] = untilRunning(old, ["sleep", "cat"]);
    untilForeground(cat!);
    untilBlocked(cat!);
    using job = new MovedJob(old, [cat!]);
    using moved = job.move(cat!);
    old.expect(/\[2\]\+ +Stopped/);
    const beside = descendantsOf(old.pid).find((pid) => readStat(pid)?.comm === "sleep")!;
    assertEquals(terminalsOf(beside), [old.device]);
    assertEquals(statOf(beside).session, old.pid);
    moved.press("^C");
    job.expectEnd(moved, 130);
    old.line("kill %1; wait; echo $((6 * 7))");
    old.expect(/[\r\n]42\r\n/);
  });
});
