import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { SIGTERM } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { childrenOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import {
  assertMessage,
  linesOf,
  refused,
  startDetached,
  Untouched,
  WIDE,
} from "../support/input_run.ts";
import { KTHREADD } from "../support/probes/kernel.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

describe("reptyr and processes that nobody can move", () => {
  afterEach(assertNoneLeft);

  it("names a PID that no process has", () => {
    using gone = startDetached(["true"]);
    gone.handle.waitForEnd(20_000);
    assertEquals(gone.status, { kind: "exited", status: 0 });
    assertEquals(refused([gone.pid]), [
      `Cannot move process ${gone.pid}: no such process`,
      "`reptyr --list` lists the processes on terminals",
    ]);
  });

  requires("python3")("names a zombie and its parent", () => {
    const program = "import os, sys; pid = os.fork() or os._exit(3); print(f'zombie {pid}.', " +
      "flush=True); sys.stdin.read()";
    using terminal = Terminal.start(["python3", "-c", program]);
    const pid = Number(terminal.expect(/zombie (\d+)\./)[1]);
    waitUntil("the zombie", () => readStat(pid)?.state === "Z");
    const parent = new Untouched(terminal.pid);
    const [first, second] = refused([pid]);
    assertMatch(
      first!,
      new RegExp(`^Cannot move process ${pid} \\(.*\\): it has ended and is a zombie$`),
    );
    assertStringIncludes(second!, `its parent ${terminal.pid} has not read`);
    parent.assert();
    assertEquals(readStat(pid)?.state, "Z");
  });

  requiresCapability("kthreads")(
    "names a kernel thread",
    () => {
      assertEquals(refused([KTHREADD]), [
        `Cannot move process ${KTHREADD} ([kthreadd]): it is a kernel thread`,
      ]);
    },
  );

  requires("python3")("names a thread and its process", () => {
    using node = startDetached([
      "python3",
      "-c",
      "import threading; threading.Timer(999, print).start()",
    ]);
    const tid = waitUntil(
      "a second thread",
      () =>
        Array.from(Deno.readDirSync(`/proc/${node.pid}/task`), ({ name }) => Number(name))
          .find((tid) => tid !== node.pid),
    );
    const target = new Untouched(node.pid);
    const [first, remedy] = refused([tid]);
    assertStringIncludes(first!, `it is a thread of process ${node.pid} (`);
    assertEquals(remedy, `Run: reptyr ${node.pid}`);
    target.assert();
  });

  it("names itself", () => {
    using terminal = Terminal.start(["sh", "-c", `exec "$0" $$`, reptyrPath], WIDE);
    assertEquals(terminal.expectExit(), { kind: "exited", status: 1 });
    const lines = linesOf(terminal.output);
    assertMessage(lines);
    assertMatch(
      lines.join("\n"),
      /^reptyr: Cannot move process \d+ \(.*\): it is this reptyr itself$/,
    );
  });

  it("names the shell it runs under", () => {
    using terminal = Terminal.start(["bash", "--norc", "--noprofile", "-i"], WIDE);
    terminal.expect("$ ");
    const shell = new Untouched(terminal.pid);
    terminal.line(`${reptyrPath} $$; echo "status $?."`);
    const [output] = terminal.expect(/reptyr: [^]*status 1\./);
    assertEquals(linesOf(output), [
      `reptyr: Cannot move process ${terminal.pid} (bash --norc --noprofile -i): it is the shell (or an ` +
      "ancestor) this reptyr runs under",
      "  Run reptyr in another terminal",
      "status 1.",
    ]);
    terminal.expect("$ ");
    shell.assert();
  });

  it("names a process on no terminal", () => {
    using sleeper = startDetached(["sleep", "1000"]);
    waitUntil("sleep", () => readStat(sleeper.pid)?.comm === "sleep");
    const target = new Untouched(sleeper.pid);
    assertEquals(refused([sleeper.pid]), [
      "Target is not connected to a terminal",
      "Of its descriptors, 0 is /dev/null, 1 is /dev/null, 2 is /dev/null",
      `To put a terminal in their place, run: reptyr --force-stdio ${sleeper.pid}`,
    ]);
    target.assert();
  });

  const servers: [string, string[]][] = [
    ["a program with a terminal for others", [
      "python3",
      "-c",
      "import pty; pty.spawn(['sleep', '1001'])",
    ]],
    // It keeps the slave open, too: a terminal that it serves is still none that it is on.
    ["script", ["script", "-qc", "exec sleep 1001", "/dev/null"]],
  ];
  for (const [name, argv] of servers) {
    requires(argv[0]!)(`names processes on a terminal below ${name}, on no terminal`, () => {
      using server = startDetached(argv);
      const sleeper = waitUntil(
        "sleep on its terminal",
        () =>
          childrenOf(server.pid).find((pid) => {
            const stat = readStat(pid);
            return stat?.comm === "sleep" && stat.ttyNr !== 0;
          }),
      );
      const both = [server.pid, sleeper].map((pid) => new Untouched(pid));
      const lines = refused([server.pid]);
      assertEquals(lines[0], "Target is not connected to a terminal");
      assertMatch(
        lines[3]!,
        new RegExp(
          "^Processes below it are on a terminal and may be meant: " +
            `${sleeper} \\(sleep 1001\\) on pts/\\d+$`,
        ),
      );
      for (const process of both) process.assert();
    });
  }
});

describe("reptyr and targets that do not stop", () => {
  afterEach(assertNoneLeft);

  requiresCompiler(
    "gives up on uninterruptible sleep within --timeout, names it, and leaves no trace",
    () => {
      using terminal = Terminal.start([victim("input_vfork")]);
      terminal.expect("ready");
      const child = waitUntil("the child", () => childrenOf(terminal.pid)[0]);
      waitUntil("uninterruptible sleep", () => readStat(terminal.pid)?.state === "D");
      waitUntil("the child's session", () => readStat(child)?.session === child);
      const both = [terminal.pid, child].map((pid) => new Untouched(pid));
      const lines = refused(["--timeout=1", terminal.pid]);
      assertMatch(
        lines[0]!,
        new RegExp(
          `^Cannot stop process ${terminal.pid}: thread ${terminal.pid} is in state D` +
            `( \\(waiting in \\w+\\))? and did not stop within 1 s$`,
        ),
      );
      assertEquals(lines.slice(1), ["Try again later, or wait longer with --timeout=SECONDS"]);
      for (const process of both) process.assert();
      using handle = new ProcessHandle(child);
      handle.signal(SIGTERM);
      terminal.expect("the child has ended");
      terminal.line("hello");
      terminal.expect("line: hello");
    },
  );
});

describe("reptyr and odd names", () => {
  afterEach(assertNoneLeft);

  for (const name of [") S 1 (", "a b  c", "new\nline", "\x1b[31mred", "é)"]) {
    requiresCompiler(`moves a process called ${JSON.stringify(name)}`, () => {
      using target = Target.start(
        "session leader",
        [victim("command"), "name", name],
        (terminal) => terminal.expect("ready"),
      );
      assertEquals(target.stat.comm, name);
      using terminal = target.move();
      terminal.line("moved");
      terminal.expect("line: moved");
      terminal.line("exit 7");
      target.expectEnd(terminal, 7);
    });
  }
});
