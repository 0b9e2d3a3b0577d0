/** As killed_test.ts, with 32-bit programs: reptyr is killed in the middle of a move, and they undo all by themselves. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGCONT } from "../../src/ffi/constants.ts";
import { readStatus } from "../../src/proc/status.ts";
import { requires32 } from "../support/capabilities.ts";
import { ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, type Shape, Target } from "../support/e2e_target.ts";
import { type Fault, injecting } from "../support/fault_injection.ts";
import { killed, type SubjectName } from "../support/fault_trial.ts";
import { startOn } from "../support/input_run.ts";
import { startOnTerminal, untilForeground, untilRunning } from "../support/jobs_moved.ts";
import { assertNothingLeft, type Snapshot, snapshot } from "../support/leftovers.ts";
import { FLAGS_32, requires, victim } from "../support/programs.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { untilAllBlocked } from "../support/victim.ts";

const SIGUSR1 = 10;

function atRequest(number: number): Fault {
  return { side: "own", call: "ptrace", error: "SIGKILL", first: number, last: number };
}

/** Run reptyr on process `pid` and kill it when it is about to make its ptrace request of this number. */
function killAt(pid: number, number: number): void {
  const [...strace] = injecting(atRequest(number), "/dev/null").argv;
  const { terminal } = startOn([pid], { prefix: strace.slice(0, -1) });
  using _ = terminal;
  const end = terminal.expectExit();
  assertEquals(end, { kind: "signaled", signal: 9 }, `request ${number}: ${terminal.describe()}`);
}

/** A program that computes says twice that it found all its registers as they were. */
function assertRegisters(handle: ProcessHandle, terminal: Terminal, when: string): void {
  let rounds = -1;
  waitUntil(`two rounds, ${when}`, () => {
    handle.signal(SIGUSR1);
    const [, now, corrupt] = terminal.expect(/rounds (\d+) corrupt (\d+)\r/);
    assertEquals(corrupt, "0", when);
    if (rounds < 0) rounds = Number(now);
    return Number(now) >= rounds + 2;
  });
}

/** As assertNothingLeft(), but for descriptors that the process had just got, and has not been told to use. */
function assertLittleLeft(before: Snapshot): void {
  const { descriptors: had, ...wanted } = before.facts;
  const rest = () => {
    const { descriptors: _, ...facts } = snapshot(before.pid).facts;
    return facts;
  };
  try {
    waitUntil("the old state", () => JSON.stringify(rest()) === JSON.stringify(wanted), {
      timeoutMs: 5000,
    });
  } catch {
    assertEquals(rest(), wanted);
  }
  const { descriptors } = snapshot(before.pid).facts;
  assertEquals(descriptors.filter((one) => had.includes(one)), had);
  assert(descriptors.length <= had.length + 4, descriptors.join("\n"));
}

const test = requires32() === requires() ? requires("strace", "bash") : requires32();

describe("reptyr is killed while it moves 32-bit programs", () => {
  afterEach(assertNoneLeft);

  /** Not more than a few: scripts/fault_sweep.ts goes through all. */
  const MOMENTS: readonly (readonly [SubjectName, readonly number[]])[] = [
    ["leader32", [21, 47, 78, 95, 121]],
    ["job32", [15, 34, 52, 61]],
    ["family32", [40, 99, 141, 176]],
  ];
  for (const [subject, numbers] of MOMENTS) {
    test(`all processes become what they were, and answer on the old terminal: ${subject}`, () => {
      for (const number of numbers) {
        const { outcome } = killed(subject, atRequest(number));
        assertEquals(outcome, "as before", `${subject}: request ${number}`);
      }
    });
  }

  for (const shape of ["session leader", "foreground job"] as const satisfies readonly Shape[]) {
    test(`a program that computes keeps all its registers: ${shape}`, () => {
      for (const number of [9, 20, 26, 35, 44, 60, 72]) {
        using target = Target.start(
          shape,
          [victim("registers_i386", FLAGS_32)],
          (terminal) => terminal.expect("ready"),
        );
        const before = snapshot(target.pid);
        killAt(target.pid, number);
        if (shape === "foreground job") target.handle.signal(SIGCONT);
        assertNothingLeft(before);
        assertRegisters(target.handle, target.terminal, `request ${number}`);
      }
    });
  }

  test("a member of a 64-bit shell's job keeps all its registers", () => {
    const path = victim("registers_i386", FLAGS_32);
    for (const number of [30, 52, 75, 98]) {
      using stack = new DisposableStack();
      const script = `${path}; echo ended`;
      const old = stack.use(startOnTerminal("foreground job", ["sh", "-c", script]));
      const name = path.slice(path.lastIndexOf("/") + 1).slice(0, 15);
      const [shell, member] = untilRunning(old, ["sh", name]);
      const handles = [shell!, member!].map((pid) => stack.use(new ProcessHandle(pid)));
      old.expect("ready");
      untilForeground(shell!);
      const before = snapshot(member!);
      killAt(shell!, number);
      for (const handle of handles) handle.signal(SIGCONT);
      assertLittleLeft(before);
      assertEquals(readStatus(shell!)?.tracerPid, 0);
      assertRegisters(handles[1]!, old, `request ${number}`);
      for (const handle of handles.toReversed()) handle.end();
    }
  });

  test("an interrupted call is made to its end", () => {
    for (const call of ["poll", "futex", "epoll_wait", "read"]) {
      // Its other thread runs at once: it is to find its own terminal.
      for (const number of [24, 32]) {
        using target = Target.start(
          "session leader",
          [victim("blocked", FLAGS_32), call],
          (terminal) => terminal.expect("ready"),
        );
        untilAllBlocked(target.pid);
        killAt(target.pid, number);
        // It undoes all first, and then waits again.
        untilAllBlocked(target.pid);
        target.terminal.line("go");
        const [text] = target.terminal.expect(/result=\S+ errno=\S+ handled=\d+/);
        assertMatch(text, /^result=[01] errno=0 handled=0$/, `${call} ${number}`);
      }
    }
  });
});
