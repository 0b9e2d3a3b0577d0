/** What reptyr is for, in short: for machines that are too slow for tests/e2e. */
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { afterEach, describe } from "@std/testing/bdd";
import { makeFifo } from "../../src/ffi/descriptor.ts";
import { readFds } from "../../src/proc/fds.ts";
import { isLive, readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { assertNoneLeft, PROMPT, Target } from "../support/e2e_target.ts";
import { isMoved, startDetached, startOn } from "../support/input_run.ts";
import { MovedJob, startOnTerminal, untilRunning } from "../support/jobs_moved.ts";
import { requires, requiresCompiler, victim, VIM_OPTIONS, which } from "../support/programs.ts";
import { Emulator, Stolen } from "../support/steal.ts";
import { DEFAULT_TIMEOUT_MS, PATIENCE, type Terminal, waitUntil } from "../support/terminal.ts";
import { untilAllBlocked, untilBlocked } from "../support/victim.ts";

const VI = ["vim.tiny", "vim"].find((name) => which(name) !== undefined) ?? "vi";

/** Before Linux 6.15 nobody but its parent is sure to learn how a process ends: then it counts as 0. */
const TELLS_STATUS = (() => {
  const [major = 0, minor = 0] = Deno.osRelease().split(".").map((word) => parseInt(word));
  return major > 6 || (major === 6 && minor >= 15);
})();

/** reptyr ends with the status of what it served, and its terminal is free. */
function assertEnd(reptyr: Terminal, status: number): void {
  const end = reptyr.expectExit();
  const wanted = TELLS_STATUS || end.kind !== "exited" || end.status !== 0 ? status : 0;
  assertEquals(end, { kind: "exited", status: wanted }, reptyr.describe());
  reptyr.expectEof();
}

/** A machine may be so slow that the target has ended before it was moved; then `undefined`. */
function moveBeforeItEnds(target: Target): Terminal | undefined {
  try {
    untilAllBlocked(target.pid);
    return target.move();
  } catch (error) {
    const stat = readStat(target.pid);
    if (stat === undefined || !isLive(stat)) return undefined;
    throw error;
  }
}

describe("reptyr moves", () => {
  afterEach(assertNoneLeft);

  requires("cat")("cat: its echo arrives, and ^C ends it with status 130", () => {
    using cat = Target.start("foreground job", ["cat"], (terminal) => {
      terminal.line("before");
      terminal.expect("before\r\nbefore\r\n");
    });
    using moved = cat.move();
    moved.line("after");
    moved.expect("after\r\nafter\r\n");
    assert(!cat.terminal.output.includes("after"));
    moved.press("^C");
    assertEnd(moved, 130);
  });

  requiresCompiler("a program that asks for the size of its terminal", () => {
    using target = Target.start("session leader", [victim("command")], (terminal) => {
      terminal.expect("ready");
    });
    using moved = target.move({ rows: 30, columns: 90 });
    moved.line("report");
    moved.expect(/fg=(\d+) ctty=yes size=30x90/);
    moved.resize(17, 66);
    waitUntil("the new size", () => {
      moved.line("report");
      return moved.expect(/size=(\d+x\d+)/)[1] === "17x66";
    });
    moved.line("exit 3");
    assertEnd(moved, 3);
  });

  requires("less")("less to a smaller screen", () => {
    const file = Deno.makeTempFileSync({ prefix: "e2e-" });
    try {
      Deno.writeTextFileSync(
        file,
        Array.from({ length: 200 }, (_, i) => `line ${i + 1}.`).join("\n"),
      );
      using less = Target.start("foreground job", ["less", file], (terminal) => {
        terminal.expectScreen("line 23.");
      });
      using moved = less.move({ rows: 12, columns: 50 });
      moved.expectScreen(({ lines }) => lines[0] === "line 1." && lines[10] === "line 11.");
      moved.type(" ");
      moved.expectScreen(({ lines }) => lines[10] === "line 22.");
      moved.type("q");
      less.expectEnd(moved, 0);
    } finally {
      Deno.removeSync(file);
    }
  });

  requires(VI)("an editor with a text in it", () => {
    const folder = Deno.makeTempDirSync({ prefix: "e2e-" });
    try {
      const file = join(folder, "text");
      Deno.writeTextFileSync(file, "first line\n");
      const argv = [VI, ...VIM_OPTIONS, file];
      using vi = Target.start("session leader", argv, (terminal) => {
        terminal.expectScreen(/first line[^]* 1L, 11B/);
      }, { snapshot: { mappings: "named", threads: false } });
      using moved = vi.move({ rows: 15, columns: 50 });
      moved.expectScreen(({ lines }) => lines[0] === "first line" && lines[13] === "~");
      moved.type("othe second");
      moved.press("Escape");
      moved.expectScreen(({ lines }) => lines[1] === "the second");
      moved.resize(20, 40);
      moved.expectScreen(({ lines }) => lines[18] === "~");
      moved.line(":wq");
      vi.expectEnd(moved, 0);
      assertEquals(Deno.readTextFileSync(file), "first line\nthe second\n");
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });

  requiresCompiler("a program with threads, each of them in its call", () => {
    using target = Target.start(
      "session leader",
      [victim("threads"), "blocked", "5"],
      (terminal) => {
        terminal.expect("ready");
      },
    );
    untilAllBlocked(target.pid);
    using moved = target.move();
    moved.line("wake");
    for (let index = 0; index < 5; index++) moved.expect(/thread \d read 1\r\n/);
  });

  requiresCompiler("a program that waits with epoll(7)", () => {
    using target = Target.start("session leader", [victim("epoll"), "edge"], (terminal) => {
      terminal.expect("ready");
    });
    untilBlocked(target.pid);
    using moved = target.move();
    moved.line("over here");
    moved.expect(/event \S+ data 0x1122334455667788 line: over here/);
    assert(!`${target.terminal.output}${moved.output}`.includes("interrupted"));
  });

  requires("bash", "cat")("a script with the child it waits for", () => {
    const script = 'echo go; cat; echo "cat: $?"; read -r line; echo "read $line"; exit 7';
    using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", script]);
    const pids = untilRunning(old, ["bash", "cat"]);
    old.expect("go\r\n");
    pids.forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, pids);
    using moved = job.move(pids[0]!);
    old.expect(/\[1\]\+ +Stopped/);
    old.expect(PROMPT);
    moved.line("to the child");
    moved.expect("to the child\r\nto the child\r\n");
    moved.press("^D");
    moved.expect("cat: 0\r\n");
    moved.line("to the script");
    moved.expect("read to the script\r\n");
    assertEnd(moved, 7);
  });

  requiresCompiler("a sleeping program, which wakes no sooner", () => {
    for (let milliseconds = 2000 * PATIENCE;; milliseconds *= 3) {
      using target = Target.start(
        "session leader",
        [victim("blocked"), "clock_nanosleep", `${milliseconds}`],
        (terminal) => terminal.expect("ready"),
      );
      using moved = moveBeforeItEnds(target);
      if (moved === undefined) continue;
      const [, result, handled, elapsed] = moved.expect(
        /result=(\S+) errno=0 handled=(\d) elapsed_us=(\d+)/,
        { timeoutMs: DEFAULT_TIMEOUT_MS + milliseconds },
      );
      assertEquals([result, handled], ["0", "0"]);
      assert(Number(elapsed) >= 1000 * milliseconds, `woke up after ${elapsed} us`);
      break;
    }
  });

  requires("bash")("a daemon on no terminal: -s", () => {
    const folder = Deno.makeTempDirSync({ prefix: "e2e-" });
    try {
      const fifo = join(folder, "fifo");
      assert(makeFifo(fifo));
      const script = `exec 9<>${fifo}; read -u 9; read line; echo "got $line"; exit 7`;
      using daemon = startDetached(["bash", "-c", script]);
      waitUntil("the daemon", () => readFds(daemon.pid, daemon.pid)?.some(({ fd }) => fd === 9));
      untilBlocked(daemon.pid);
      using moved = startOn(["-s", daemon.pid]).terminal;
      waitUntil("the move", () => isMoved(daemon.pid, 0));
      Deno.writeTextFileSync(fifo, "\n", { create: false });
      moved.line("text");
      moved.expect("got text\r\n");
      assertEnd(moved, 7);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });

  requiresCompiler("a whole terminal: -T", () => {
    using emulator = Emulator.start("epoll");
    const { window, shell } = emulator;
    using stolen = Stolen.from(shell);
    stolen.ask("echo it is $$", `it is ${shell}\r\n`);
    window.expect(/end EIO events 0x[0-9a-f]+/);
    assertEquals(readStatus(window.pid)?.tracerPid, 0);
    stolen.terminal.line("exit 7");
    assertEnd(stolen.terminal, 7);
    window.line("!quit");
    assertEquals(window.expectExit(), { kind: "exited", status: 0 });
  });
});
