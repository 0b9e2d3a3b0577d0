/** Processes that have as many open files as they may: RLIMIT_NOFILE in getrlimit(2). */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readFds } from "../../src/proc/fds.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { requires32, requiresCapability } from "../support/capabilities.ts";
import { childrenOf } from "../support/child.ts";
import { assertNoneLeft, SHAPES, Target } from "../support/e2e_target.ts";
import { Moved, refused, startOn, Untouched } from "../support/input_run.ts";
import { publicVictim } from "../support/input_victims.ts";
import { FLAGS_32, isX86_64, requires, requiresThat, victim } from "../support/programs.ts";
import { start } from "../support/scripts_run.ts";
import { Emulator, mastersOf, Stolen } from "../support/steal.ts";
import { waitUntil } from "../support/terminal.ts";
import { AS_NOBODY, NOBODY } from "../support/users.ts";

const withPrlimit = requires("prlimit", "cc");
const raisingHard = requiresCapability("sys_resource", withPrlimit);
const asOther = requiresCapability(["users", "attach"], requires("prlimit", "cc", "setpriv"));
const withStrace = isX86_64
  ? requires("prlimit", "cc", "strace")
  : requiresThat(false, "there is no safety net here");

function limitsOf(pid: number): string {
  return Deno.readTextFileSync(`/proc/${pid}/limits`);
}

/**
 * From now on the process can open nothing, unless it raises its limit up to `hard`. Returns its soft limit. `prefix` runs
 * a program as the user of the process.
 */
function fill(pid: number, hard?: number, prefix: readonly string[] = []): number {
  const used = new Set((readFds(pid, pid) ?? []).map(({ fd }) => fd));
  let soft = 0;
  while (used.has(soft)) soft++;
  const words = [...prefix, "prlimit", "--pid", `${pid}`, `--nofile=${soft}:${hard ?? soft}`];
  const [command, ...args] = words;
  const { success, stderr } = new Deno.Command(command!, { args }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
  return soft;
}

function startCommand(shape: typeof SHAPES[number], argv = [victim("command")]): Target {
  return Target.start(shape, argv, (terminal) => terminal.expect("ready"));
}

/** The process is moved, has the limits that it had, and answers. */
function moveAndAsk(pid: number, options: Parameters<typeof Moved.to>[1] = {}): void {
  const before = limitsOf(pid);
  using moved = Moved.to(pid, options);
  assertEquals(limitsOf(pid), before);
  moved.terminal.line("hello");
  moved.terminal.expect("line: hello");
  moved.terminal.line("exit 4");
  moved.expectEnd(4);
}

describe("reptyr PID at the limit of its open files", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    withPrlimit(`moves the process, and its limit is restored: ${shape}`, () => {
      using target = startCommand(shape);
      fill(target.pid, 4096);
      moveAndAsk(target.pid);
    });

    raisingHard(`moves it above its hard limit as root, and restores that: ${shape}`, () => {
      using target = startCommand(shape);
      fill(target.pid);
      moveAndAsk(target.pid);
    });
  }

  requires32()("moves a 32-bit program", () => {
    using target = startCommand("foreground job", [victim("command", FLAGS_32)]);
    fill(target.pid, 4096);
    moveAndAsk(target.pid);
  });

  withPrlimit("moves it with --alone", () => {
    using target = startCommand("foreground job");
    fill(target.pid, 4096);
    moveAndAsk(target.pid, { args: ["--alone"] });
  });

  withPrlimit("moves it with --force-stdio", () => {
    using target = startCommand("session leader");
    fill(target.pid, 4096);
    moveAndAsk(target.pid, { args: ["--force-stdio"] });
  });

  asOther("moves it without privilege, up to its hard limit", () => {
    using target = startCommand("session leader", [...AS_NOBODY, publicVictim("command")]);
    fill(target.pid, 64, AS_NOBODY);
    moveAndAsk(target.pid, { prefix: AS_NOBODY, owner: NOBODY });
  });

  asOther("refuses above the hard limit, with the numbers, and changes nothing", () => {
    using target = startCommand("foreground job", [...AS_NOBODY, publicVictim("command")]);
    const soft = fill(target.pid, undefined, AS_NOBODY);
    const before = limitsOf(target.pid);
    const untouched = new Untouched(target.pid);
    const lines = refused([target.pid], { prefix: AS_NOBODY, owner: NOBODY });
    assertEquals(lines, [
      `Cannot move process ${target.pid}: it has reached RLIMIT_NOFILE (${soft}, the hard limit); ` +
      "moving needs 4 more descriptors",
      "For the moment of the move root raises it, who needs CAP_SYS_RESOURCE for that, " +
      "up to /proc/sys/fs/nr_open",
    ]);
    untouched.assert();
    assertEquals(limitsOf(target.pid), before);
    target.terminal.line("hello");
    target.terminal.expect("line: hello");
  });

  withPrlimit("refuses when nothing would restore the limit, if reptyr were killed", () => {
    // Without a stack there is no place for a safety net.
    using target = startCommand("session leader", [victim("stackless")]);
    const soft = fill(target.pid, 4096);
    const before = limitsOf(target.pid);
    const untouched = new Untouched(target.pid);
    assertEquals(refused([target.pid]), [
      `Cannot move process ${target.pid}: it has reached RLIMIT_NOFILE (${soft}); ` +
      "moving needs 4 more descriptors",
      `Raise its limit, for a moment at least: prlimit --pid ${target.pid} --nofile=NUMBER`,
    ]);
    untouched.assert();
    assertEquals(limitsOf(target.pid), before);
  });

  withPrlimit("moves it with a member that has reached its limit, too", () => {
    using target = start("session leader", "cat & read x; echo got $x; wait");
    const [child] = waitUntil("the child", () => {
      const children = childrenOf(target.pid);
      return children.some((pid) => readStat(pid)?.comm === "cat") && children;
    });
    for (const pid of [target.pid, child!]) fill(pid, 4096);
    const before = [target.pid, child!].map(limitsOf);
    using moved = Moved.to(target.pid);
    assertEquals([target.pid, child!].map(limitsOf), before);
    moved.terminal.line("hello");
    moved.terminal.expect("got hello");
  });

  withPrlimit("moves it when two processes share the descriptor table", () => {
    using target = Target.start(
      "session leader",
      [victim("shares_files")],
      (terminal) => terminal.expect("ready"),
    );
    const [child] = childrenOf(target.pid);
    for (const pid of [target.pid, child!]) fill(pid, 4096);
    const before = [target.pid, child!].map(limitsOf);
    using moved = Moved.to(target.pid);
    assertEquals([target.pid, child!].map(limitsOf), before);
    moved.terminal.line("hello");
    moved.terminal.expect("line: hello");
  });

  requires("prlimit", "python3")("moves it with a terminal above its limit", () => {
    const program = "import os, resource as r; os.dup2(0, 60); os.close(0)\n" +
      "r.setrlimit(r.RLIMIT_NOFILE, (20, 400)); print('re' + 'ady', flush=True)\n" +
      "while line := os.read(60, 100): os.write(60, b'line: ' + line)";
    using target = Target.start(
      "foreground job",
      ["python3", "-c", program],
      (terminal) => terminal.expect("ready"),
      { snapshot: { mappings: "named", threads: false } },
    );
    const before = limitsOf(target.pid);
    using moved = Moved.to(target.pid);
    assertEquals(limitsOf(target.pid), before);
    moved.terminal.line("hello");
    moved.terminal.expect("line: hello");
  });

  requires("prlimit", "python3")("moves it with 400 descriptions of its terminal", () => {
    const count = 400;
    const program = "import os, resource as r; r.setrlimit(r.RLIMIT_NOFILE, (4096, 16384))\n" +
      `fds = [os.open('/dev/tty', os.O_RDWR) for _ in range(${count})]\n` +
      "print('re' + 'ady', flush=True)\n" +
      "while line := os.read(fds[-1], 100): os.write(fds[0], b'line: ' + line)";
    using target = Target.start(
      "foreground job",
      ["python3", "-c", program],
      (terminal) => terminal.expect("ready"),
      { snapshot: { mappings: "named", threads: false } },
    );
    fill(target.pid, 16384);
    const before = limitsOf(target.pid);
    using moved = Moved.to(target.pid, { prefix: ["prlimit", "--nofile=16384"] });
    assertEquals(limitsOf(target.pid), before);
    const { ttyNr } = target.stat;
    const fds = readFds(target.pid, target.pid) ?? [];
    assert(fds.filter(({ rdev }) => rdev === ttyNr).length >= count + 3);
    moved.terminal.line("hello");
    moved.terminal.expect("line: hello");
  });
});

describe("reptyr -T with an emulator at the limit of its open files", () => {
  afterEach(assertNoneLeft);

  for (const hard of [undefined, 4096]) {
    (hard === undefined ? raisingHard : withPrlimit)(
      `takes its terminal: ${hard ?? "hard limit"}`,
      () => {
        using emulator = Emulator.start("poll");
        const { pid } = emulator.window;
        fill(pid, hard);
        const before = limitsOf(pid);
        const index = mastersOf(pid)[0]!.fdinfo.ttyIndex;
        using stolen = Stolen.from(emulator.shell);
        stolen.ask("echo $((40 + 2))", "42");
        const still = readFds(pid, pid) ?? [];
        assert(still.every(({ fdinfo }) => fdinfo.ttyIndex !== index));
        if (still.length > 0) assertEquals(limitsOf(pid), before);
      },
    );
  }
});

describe("a process whose limit is raised when reptyr is killed", () => {
  afterEach(assertNoneLeft);

  /** From the first injected call on, up to shortly before the end. */
  const MOMENTS = [14, 18, 20, 22, 24, 26, 30, 34, 40, 46, 52, 58, 64, 70, 76, 82, 88];

  for (const hard of [undefined, 4096]) {
    const where = hard === undefined ? "above its hard limit" : "up to its hard limit";
    (hard === undefined ? requiresCapability("sys_resource", withStrace) : withStrace)(
      `becomes what it was: ${where}`,
      () => {
        let isUndone = 0;
        for (const moment of MOMENTS) {
          using target = startCommand("session leader");
          fill(target.pid, hard);
          const [before, { ttyNr }] = [limitsOf(target.pid), target.stat];
          const strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=ptrace"];
          const injection = [
            "-e",
            "signal=none",
            "-e",
            `inject=ptrace:signal=SIGKILL:when=${moment}`,
          ];
          const { terminal } = startOn([target.pid], { prefix: [...strace, ...injection] });
          using _ = terminal;
          assertMatch(JSON.stringify(terminal.expectExit()), /signaled/, `${moment}`);
          waitUntil("the tracer to be gone", () => readStatus(target.pid)?.tracerPid === 0);
          waitUntil(`the old limit, ${moment}`, () => limitsOf(target.pid) === before);
          if (target.stat.ttyNr !== ttyNr) continue;
          isUndone++;
          target.terminal.line("hello");
          target.terminal.expect("line: hello");
        }
        assert(isUndone > 5, `${isUndone} of ${MOMENTS.length}`);
      },
    );
  }
});
