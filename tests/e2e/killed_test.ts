/**
 * reptyr killed with SIGKILL in the middle of an attach: strace(1) sends it when it asks for its Nth ptrace request,
 * and so on. What the target is then, it becomes by itself.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGCONT } from "../../src/ffi/constants.ts";
import { readFds } from "../../src/proc/fds.ts";
import { readProcText } from "../../src/proc/gone.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { childrenOf } from "../support/child.ts";
import { assertNoneLeft, type Shape, Target } from "../support/e2e_target.ts";
import { startOn } from "../support/input_run.ts";
import { isX86_64, requires, requiresThat, victim } from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";
import { untilAllBlocked } from "../support/victim.ts";

const SIGUSR1 = 10;

/** Run reptyr on `target` and kill it when it is about to make its call `call` of this number. */
function killAt(target: Target, call: string, number: number): void {
  const strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${call}`];
  const prefix = [
    ...strace,
    "-e",
    "signal=none",
    "-e",
    `inject=${call}:signal=SIGKILL:when=${number}`,
  ];
  const { terminal } = startOn([target.pid], { prefix });
  using _ = terminal;
  const end = terminal.expectExit();
  assertEquals(end, { kind: "signaled", signal: 9 }, `${call} ${number}: ${terminal.describe()}`);
}

/** What a target consists of that a killed reptyr may not have changed, as far as it is the same in both shapes. */
function factsOf(pid: number) {
  const status = readStatus(pid);
  const stat = readStat(pid);
  return {
    tracer: status?.tracerPid,
    sets: [status?.sigBlocked, status?.sigIgnored, status?.sigCaught, status?.sigPending],
    shared: status?.sharedPending,
    group: stat?.pgrp,
    files: Deno.readTextFileSync(`/proc/${pid}/maps`).split("\n").filter((line) =>
      line.includes("/") || line.includes("[")
    ).map((line) => line.replace(/.*\[(heap|stack)\]$/, "$1")),
  };
}

/** Descriptors, with what they are open on. */
function descriptorsOf(pid: number): string[] {
  return (readFds(pid, pid) ?? []).map(({ fd, dev, ino, rdev, fdinfo }) =>
    `${fd} ${dev} ${ino} ${rdev} ${fdinfo.flags}`
  );
}

/** The target is what it was; but for descriptors that it had just got, and has not been told to use. */
function assertSame(target: Target, before: ReturnType<typeof factsOf>, fds: readonly string[]) {
  const same = () =>
    JSON.stringify(factsOf(target.pid), bigints) === JSON.stringify(before, bigints);
  try {
    waitUntil("the old state", same);
  } catch {
    assertEquals(factsOf(target.pid), before);
  }
  const now = descriptorsOf(target.pid);
  assertEquals(now.filter((fd) => fds.includes(fd)), fds, "descriptors that it had");
  assert(now.length <= fds.length + 4, now.join("\n"));
}

/** The net is spread on x86_64 only. */
function onX86_64(...programs: readonly string[]): ReturnType<typeof requires> {
  return isX86_64 ? requires(...programs) : requiresThat(false, "there is no safety net here");
}

const bigints = (_: string, value: unknown) => typeof value === "bigint" ? `${value}` : value;

function command(shape: Shape): Target {
  return Target.start(shape, [victim("command")], (terminal) => terminal.expect("ready"));
}

/** Whether it is stopped, or waits in read(2), where it was when it was to be moved: number 0, on x86_64. */
function rests({ pid }: Target): boolean {
  const state = readStat(pid)?.state;
  return state === "T" ||
    state === "S" && readProcText(pid, pid, "syscall")?.startsWith("0 ") === true;
}

interface Moment {
  readonly call: string;
  readonly numbers: readonly number[];
}

/** Spread over all of the attach up to shortly before its end. */
const MOMENTS: readonly Moment[] = [
  { call: "ptrace", numbers: [3, 7, 10, 14, 22, 31, 42, 50, 58, 66, 73] },
  { call: "process_vm_writev", numbers: [1, 3, 8, 15] },
  { call: "sendmsg", numbers: [1] },
  { call: "pidfd_getfd", numbers: [2] },
];

/** Descriptions of the terminal, which take three frames each; as it gets copies of them, and as it gets new ones instead. */
const MANY = 100;
const MANY_MOMENTS = [300, 600, 700, 800, 860];

describe("reptyr is killed while it moves", () => {
  afterEach(assertNoneLeft);

  for (const { call, numbers } of MOMENTS) {
    onX86_64("strace", "cc")(`a session leader becomes what it was: ${call} ${numbers}`, () => {
      for (const number of numbers) {
        using target = command("session leader");
        const [before, fds] = [factsOf(target.pid), descriptorsOf(target.pid)];
        const { ttyNr, tpgid } = target.stat;
        killAt(target, call, number);
        assertSame(target, before, fds);
        assertEquals([target.stat.ttyNr, target.stat.tpgid], [ttyNr, tpgid], `${call} ${number}`);
        target.terminal.line("hello");
        target.terminal.expect("line: hello");
      }
    });
  }

  onX86_64("strace", "cc")("a shell's job is still one, and comes back by fg", () => {
    const held: number[] = [];
    let first: number | undefined;
    for (const number of [3, 14, 33, 49, 60, 66, 72, 76, 80, 84, 88, 92]) {
      using target = command("foreground job");
      const [before, fds] = [factsOf(target.pid), descriptorsOf(target.pid)];
      const { session, ttyNr } = target.stat;
      killAt(target, "ptrace", number);
      // What is undone is undone by then. A job in the background that reads is stopped as ever.
      waitUntil("the job to read, or to be stopped", () => rests(target));
      if (target.stat.session !== session) {
        // setsid(2) has been made, and cannot be undone: the job lives on its old descriptors, and no shell has it.
        assertSame(target, before, fds);
        target.terminal.line("hello");
        target.terminal.expect("line: hello");
        first = number;
        break;
      }
      held.push(number);
      // The shell may have seen it stop.
      if (target.stat.state === "T") {
        target.terminal.expect("Stopped");
        target.terminal.line("fg");
        waitUntil(
          "the job to be in the foreground",
          () => target.stat.tpgid === target.stat.pgrp,
        );
      }
      assertSame(target, before, fds);
      assertEquals([target.stat.session, target.stat.ttyNr], [session, ttyNr], `${number}`);
      target.terminal.line("hello");
      target.terminal.expect("line: hello");
    }
    // How many requests come before setsid(2) changes with the program.
    assert(held.length >= 6, `setsid(2) comes soon after request ${held.at(-1)}`);
    assert(first !== undefined, `setsid(2) comes later than request ${held.at(-1)}`);
    // TIOCSCTTY is the call after setsid(2), and a call is four requests: the new terminal hangs up and is given up.
    for (const number of [first + 4, first + 7]) {
      using target = command("foreground job");
      const [before, fds] = [factsOf(target.pid), descriptorsOf(target.pid)];
      killAt(target, "ptrace", number);
      waitUntil("the job to read", () => rests(target));
      assertSame(target, before, fds);
      assertEquals(target.stat.ttyNr, 0, `${number}`);
      target.terminal.line("hello");
      target.terminal.expect("line: hello");
    }
  });

  for (const shape of ["session leader", "foreground job"] as const) {
    onX86_64("strace", "cc")(
      `a program that computes keeps all its registers: ${shape}`,
      () => {
        for (const number of [9, 26, 44, 60, 72]) {
          using target = Target.start(
            shape,
            [victim("registers")],
            (terminal) => terminal.expect("ready"),
          );
          killAt(target, "ptrace", number);
          assertEquals(readStatus(target.pid)?.tracerPid, 0);
          if (shape === "foreground job") {
            target.handle.signal(SIGCONT);
          }
          for (let times = 0; times < 2; times++) {
            target.handle.signal(SIGUSR1);
            const [text] = target.terminal.expect(/rounds \d+ corrupt \d+/);
            assertMatch(text, /corrupt 0$/, `ptrace ${number}`);
          }
        }
      },
    );
  }

  onX86_64("strace", "cc")("a program with a child that calls execve all the time", () => {
    // Some of those that are looked at while they run are other programs by then.
    for (const number of [12, 15, 18, 21, 24, 27, 30, 33, 36, 39]) {
      using target = Target.start(
        "session leader",
        [victim("come_and_go"), "exec"],
        (terminal) => terminal.expect("ready"),
      );
      const children = childrenOf(target.pid);
      killAt(target, "ptrace", number);
      target.terminal.line("hello");
      target.terminal.expect("line: hello");
      assertEquals(childrenOf(target.pid), children);
      assert(children.every((pid) => /[RSD]/.test(readStat(pid)?.state ?? "")), `${number}`);
    }
  });

  onX86_64("strace", "python3")("a program with many descriptions gets all of them back", () => {
    const program = `import os; fds = [os.open('/dev/tty', os.O_RDWR) for _ in range(${MANY})]\n` +
      "print('re' + 'ady', flush=True)\n" +
      "while line := os.read(fds[-1], 100): os.write(fds[0], b'line: ' + line)";
    for (const number of MANY_MOMENTS) {
      using target = Target.start(
        "session leader",
        ["python3", "-c", program],
        (terminal) => terminal.expect("ready"),
      );
      const [before, fds] = [factsOf(target.pid), descriptorsOf(target.pid)];
      killAt(target, "ptrace", number);
      assertSame(target, before, fds);
      target.terminal.line("hello");
      target.terminal.expect("line: hello");
    }
  });

  onX86_64("strace", "cc")("an interrupted call is made to its end", () => {
    for (const call of ["poll", "futex", "epoll_wait", "read"]) {
      // Before the descriptors change: another thread may read the end of the new terminal then.
      for (const number of [14, 24]) {
        using target = Target.start(
          "session leader",
          [victim("blocked"), call],
          (terminal) => terminal.expect("ready"),
        );
        untilAllBlocked(target.pid);
        killAt(target, "ptrace", number);
        // Else what it waits for may be there before it waits again, which a futex tells by EAGAIN.
        untilAllBlocked(target.pid);
        target.terminal.line("go");
        const [text] = target.terminal.expect(/result=\S+ errno=\S+ handled=\d+/);
        assertMatch(text, /^result=[01] errno=0 handled=0$/, `${call} ${number}`);
      }
    }
  });
});
