/** Terminals that `reptyr -T` cannot take: one message says why, and all is as it was. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { childrenOf, descendantsOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, PROMPT, SHELL } from "../support/e2e_target.ts";
import {
  AS_NOBODY,
  linesOf,
  NOBODY,
  refused,
  startDetached,
  Untouched,
} from "../support/input_run.ts";
import { CONSOLE } from "../support/probes/kernel.ts";
import { requires, requiresCompiler } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { BASH, Emulator, mastersOf, Stolen, type Way } from "../support/steal.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

/** The emulator and its shell are what they were, and work. */
class UntouchedEmulator {
  readonly #before: Untouched[];

  constructor(readonly emulator: Emulator) {
    this.#before = [emulator.window.pid, ...childrenOf(emulator.window.pid)]
      .map((pid) => new Untouched(pid));
  }

  assert(): void {
    for (const before of this.#before) before.assert();
    const { window } = this.emulator;
    window.line("echo still $((40 + 2))");
    window.expect(/still 42\r+\n/);
    assert(!window.output.includes("end "), window.output);
    for (const before of this.#before) before.assert();
  }
}

describe("reptyr -T and its own terminal", () => {
  afterEach(assertNoneLeft);

  it("refuses to take the terminal that it runs on", () => {
    using shell = Terminal.start(SHELL, { env: { NO_COLOR: "1" } });
    shell.expect(PROMPT);
    shell.line("sleep 1000 &");
    shell.expect(/\[1\] \d+/);
    for (const target of ["$$", "$!"]) {
      shell.line(`${reptyrPath} -T ${target}`);
      shell.expect(
        /reptyr: Cannot take the terminal of process \d+ \(.*\): it is the terminal this reptyr runs on\r\n {2}Run reptyr in another terminal\r\n/,
      );
      shell.expect(PROMPT);
    }
  });

  requires("script")("refuses to take a terminal that shows its own", () => {
    using outer = Terminal.start(SHELL, { env: { NO_COLOR: "1" }, columns: 300 });
    outer.expect(PROMPT);
    outer.line(`script -q -c '${SHELL.join(" ")}' /dev/null`);
    outer.expect(PROMPT);
    outer.line(`${reptyrPath} -T ${outer.pid}`);
    outer.expect(
      /Cannot take the terminal of process \d+ \(.*\): this reptyr's own terminal is shown on it, by process \d+ \(script .*\)\r\n/,
    );
    outer.line("echo al''ive");
    outer.expect("alive\r\n");
  });
});

describe("reptyr -T and a terminal without a master to take", () => {
  afterEach(assertNoneLeft);

  it("says that a process is on no terminal", () => {
    using child = startDetached(["sleep", "1000"]);
    waitUntil("sleep", () => readStat(child.pid)?.comm === "sleep");
    assertEquals(refused(["-T", child.pid])[0], "Target is not connected to a terminal");
  });

  it("says that there is no such process", () => {
    assertEquals(refused(["--steal", 4194304])[0], "Cannot move process 4194304: no such process");
  });

  it("says that a terminal has hung up", () => {
    using terminal = Terminal.start(["sh", "-c", "trap '' HUP; echo ready; exec sleep 1000"]);
    terminal.expect("ready");
    waitUntil("sleep", () => readStat(terminal.pid)?.comm === "sleep");
    terminal.hangUp();
    waitUntil("the hang-up", () => readStat(terminal.pid)?.ttyNr === 0);
    const lines = refused(["-T", terminal.pid]);
    assertMatch(lines[0]!, /: it has hung up, and nothing is left to take$/);
    assertStringIncludes(lines[1]!, `run: reptyr ${terminal.pid}`);
  });

  requiresCapability("console")(
    "says that a virtual console has none",
    () => {
      using child = startDetached(
        ["sleep", "1000"],
        [{ fd: 0, path: CONSOLE, flags: 2 }, { fd: 1, dup: 0 }, { fd: 2, dup: 0 }],
      );
      waitUntil("sleep", () => readStat(child.pid)?.comm === "sleep");
      const before = new Untouched(child.pid);
      const lines = refused(["-T", child.pid]);
      assertStringIncludes(lines[0]!, "it is tty9, which is no pseudoterminal");
      assertEquals(
        lines[1],
        `To move the process with its job instead, run: reptyr ${child.pid}`,
      );
      before.assert();
    },
  );
});

describe("reptyr -T where the kernel does not permit it", () => {
  afterEach(assertNoneLeft);

  requiresCapability("users", requiresCompiler)(
    "says that the program behind the terminal is another user's",
    () => {
      using emulator = Emulator.start("poll", [], [...AS_NOBODY, ...BASH]);
      const before = new UntouchedEmulator(emulator);
      const lines = refused(["-T", emulator.shell], { prefix: AS_NOBODY, owner: NOBODY });
      assertMatch(
        lines[0]!,
        /: permission denied: none of the processes that may be looked into holds the other end of pts\/\d+/,
      );
      assertEquals(lines[1], `Run: sudo reptyr -T ${emulator.shell}`);
      before.assert();
      using stolen = Stolen.from(emulator.shell);
      stolen.ask("echo it is $$", `it is ${emulator.shell}\r\n`);
    },
  );

  requires("strace", "cc")("names the tracer of the program behind the terminal", () => {
    using emulator = Emulator.start("poll");
    const { window } = emulator;
    using tracer = startDetached(["strace", "-p", `${window.pid}`]);
    waitUntil(
      "strace to attach",
      () => readStatus(window.pid)?.tracerPid === tracer.pid && readStat(window.pid)?.state === "S",
    );
    const before = new UntouchedEmulator(emulator);
    const lines = refused(["-T", emulator.shell]);
    assertMatch(
      lines[0]!,
      new RegExp(
        `^Cannot attach to process ${window.pid} .*: it is already traced by process ${tracer.pid} `,
      ),
    );
    before.assert();
  });

  requiresCompiler("says that the program behind the terminal does not stop", () => {
    using emulator = Emulator.start("vfork");
    const { window } = emulator;
    waitUntil("vfork", () => readStat(window.pid)?.state === "D");
    const lines = refused(["-T", "--timeout=0.3", emulator.shell]);
    assertMatch(
      lines[0]!,
      new RegExp(`^Cannot stop process ${window.pid}: thread ${window.pid} is in state D`),
    );
    assertEquals(readStatus(window.pid)?.tracerPid, 0);
    stillShows(emulator);
  });
});

/** The vfork(2) child gets what is typed, so something on the terminal itself has to write. */
function stillShows({ window, shell }: Emulator): void {
  const slave = Deno.readLinkSync(`/proc/${shell}/fd/0`);
  Deno.writeTextFileSync(slave, "written to the slave\n");
  window.expect("written to the slave");
}

describe("reptyr -T and terminals of the same number", () => {
  afterEach(assertNoneLeft);

  const own = "mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts /dev/pts && " +
    'mount --bind /dev/pts/ptmx /dev/ptmx && exec "$@"';
  const inContainer = ["unshare", "-m", "sh", "-c", own, "sh"];
  const inDevpts = requiresCapability(["mountns", "devpts"], requiresCompiler);

  inDevpts(
    "takes the terminal of the target's own devpts",
    () => {
      using one = Emulator.start("epoll", inContainer);
      using other = Emulator.start("poll", inContainer);
      const index = (emulator: Emulator) => mastersOf(emulator.window.pid)[0]?.fdinfo.ttyIndex;
      assertEquals([index(one), index(other)], [0, 0]);
      assertEquals(readStat(one.shell)?.ttyNr, readStat(other.shell)?.ttyNr);
      const before = new UntouchedEmulator(one);
      {
        using stolen = Stolen.from(other.shell);
        stolen.ask("echo it is $$", `it is ${other.shell}\r\n`);
        other.window.expect("end EIO");
        before.assert();
        stolen.ask("exit 3", "exit\r\n");
        stolen.expectEnd(3);
      }
      using stolen = Stolen.from(one.shell);
      stolen.ask("echo it is $$", `it is ${one.shell}\r\n`);
    },
  );

  inDevpts(
    "distinguishes them by the device file, without a controlling terminal",
    () => {
      // `setsid` takes the program off the terminal, which it still uses.
      const program = ["sh", "-c", `exec 3<&0; setsid bash -c 'printf "$ "; exec cat' <&3 & wait`];
      using one = Emulator.start("poll", inContainer, program);
      using other = Emulator.start("poll", inContainer, program);
      const catOf = ({ window }: Emulator) =>
        waitUntil(
          "cat",
          () => descendantsOf(window.pid).find((pid) => readStat(pid)?.comm === "cat"),
        );
      using cat = new ProcessHandle(catOf(other));
      assertEquals(readStat(cat.pid)?.ttyNr, 0);
      const before = new Untouched(one.window.pid);
      using _ = Stolen.from(cat.pid);
      other.window.expect("end EIO");
      before.assert();
      assert(!one.window.output.includes("end "));
    },
  );
});

describe("reptyr -T and a system call that fails", () => {
  afterEach(assertNoneLeft);

  // A call that failed is made once more, for its error: to fail for good it has to fail twice, and what is looked at again more.
  const faults: [string, string, string[]][] = [
    ["pidfd_getfd", "EPERM", ["1..5", "2"]],
    ["pidfd_getfd", "ENOSYS", ["1"]],
    ["pidfd_getfd", "EMFILE", ["1"]],
    ["pidfd_open", "EMFILE", ["2", "3"]],
    ["sendmsg", "EPERM", ["1..2"]],
    ["ptrace", "EPERM", ["1..2", "2..3", "3..4", "5..6", "6..7"]],
    ["ptrace", "EIO", ["1..2", "4..5"]],
  ];
  const unchanged = (
    way: Way,
    [call, error, when]: (typeof faults)[number],
    expected: "refused" | "taken" = "refused",
  ) => {
    requires("strace", "cc")(
      `${
        expected === "refused" ? "says so, and changes nothing" : "takes it all the same"
      }: ${call} ${error} ${when}: ${way}`,
      () => {
        const outcomes: string[] = [];
        for (const number of when) {
          using emulator = Emulator.start(way);
          const before = new UntouchedEmulator(emulator);
          const prefix = [
            ...["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", `trace=${call}`],
            ...["-e", "signal=none", "-e", `inject=${call}:error=${error}:when=${number}`],
          ];
          const outcome = takenOrRefused(emulator, prefix);
          outcomes.push(outcome);
          if (outcome === "refused") before.assert();
        }
        assertEquals(outcomes.includes("refused"), expected === "refused", `${outcomes}`);
      },
    );
  };
  for (const fault of faults) unchanged("epoll", fault);
  // The first holder has got what it needs when the second one fails.
  unchanged("fork", ["sendmsg", "EPERM", ["2..3"]]);
  // So it has given up its master already: about here, by the number of requests before.
  unchanged("fork", ["ptrace", "EIO", ["55..64", "59..68"]]);
  // Left out by a container, and done in another way; asked once more, for all has been taken by then.
  unchanged("epoll", ["process_vm_readv", "EPERM", ["1+"]], "taken");
  unchanged("epoll", ["process_vm_writev", "EFAULT", ["1..2", "3..4"]], "taken");
  unchanged("fork", ["ptrace", "EIO", ["71..72", "75..76", "81..82"]], "taken");
});

/** The terminal is either taken, whole, or there is one message. */
function takenOrRefused(emulator: Emulator, prefix: readonly string[]): "taken" | "refused" {
  using terminal = Terminal.start([...prefix, reptyrPath, "-T", "-V", `${emulator.shell}`], {
    env: { NO_COLOR: "1" },
    columns: 300,
  });
  const outcome = waitUntil(
    "an outcome",
    () =>
      terminal.child.status === undefined
        ? terminal.output.includes("Serving") && "taken"
        : "refused",
  );
  if (outcome === "taken") {
    terminal.line("echo it is $$");
    terminal.expect(`it is ${emulator.shell}\r\n`);
    emulator.window.expect("end EIO");
    return outcome;
  }
  assertEquals(terminal.expectExit(), { kind: "exited", status: 1 });
  const lines = linesOf(terminal.output).filter((line) => !line.startsWith("[+]"));
  assertMatch(lines[0]!, /^reptyr: Cannot /);
  return outcome;
}
