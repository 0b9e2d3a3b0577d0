/** Waiting for a process to stop: what the user is told, and how to give up. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGHUP, SIGINT, SIGQUIT, SIGTERM } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { childrenOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, PROMPT, SHELL } from "../support/e2e_target.ts";
import { linesOf, settingsOf, startOn, Untouched } from "../support/input_run.ts";
import { untilRaw } from "../support/jobs_shell.ts";
import { Procout } from "../support/procout.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Emulator } from "../support/steal.ts";
import { type Key, Terminal, waitUntil } from "../support/terminal.ts";

/** A parent in state D: its vfork(2) child waits for SIGTERM. */
class Asleep implements Disposable {
  readonly terminal = Terminal.start([victim("input_vfork")], { label: "old" });
  readonly child: ProcessHandle;
  readonly pid = this.terminal.pid;

  constructor() {
    this.terminal.expect("ready");
    const child = waitUntil("the child", () => childrenOf(this.pid)[0]);
    this.child = new ProcessHandle(child);
    waitUntil("uninterruptible sleep", () => readStat(this.pid)?.state === "D");
    waitUntil("the child's session", () => readStat(child)?.session === child);
  }

  wake(): void {
    this.child.signal(15);
    this.terminal.expect("the child has ended");
  }

  [Symbol.dispose](): void {
    this.child.end();
    this.child[Symbol.dispose]();
    this.terminal[Symbol.dispose]();
  }
}

/** What stands in front of the PID, for a state that no timeout ends in a test. */
const PATIENT = "--timeout=1000";

const WAITING = /reptyr: waiting for thread (\d+) of \1 \(state D(, in \w+)?\); \^C gives up\r\n/;

const KEYS: readonly (readonly [Key, number])[] = [["^C", 130], ["^\\", 131]];
const SIGNALS = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

describe("reptyr that waits for a process to stop", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("names the reason, once, and moves the process when the wait is over", () => {
    using asleep = new Asleep();
    const { terminal } = startOn([PATIENT, asleep.pid]);
    using _ = terminal;
    terminal.expect(WAITING);
    // Nobody is held up meanwhile.
    assertEquals(readStatus(asleep.pid)?.tracerPid, 0);
    asleep.wake();
    waitUntil("the move", () => readStat(asleep.pid)?.tpgid === asleep.pid);
    terminal.line("moved");
    terminal.expect("line: moved");
    assertEquals(terminal.output.match(/waiting for/g)?.length, 1);
  });

  requiresCompiler("keeps the keys that are typed meanwhile for the program", () => {
    using asleep = new Asleep();
    const { terminal } = startOn([PATIENT, asleep.pid]);
    using _ = terminal;
    terminal.expect(WAITING);
    terminal.line("typed ahead");
    asleep.wake();
    terminal.expect("line: typed ahead");
  });

  for (const [key, status] of KEYS) {
    requiresCompiler(`gives up at ${key}, and leaves everything as before`, () => {
      using asleep = new Asleep();
      const { terminal, settings } = startOn([PATIENT, asleep.pid]);
      using _ = terminal;
      const both = [asleep.pid, asleep.child.pid].map((pid) => new Untouched(pid));
      terminal.expect(WAITING);
      terminal.press(key);
      assertEquals(terminal.expectExit(), { kind: "exited", status }, terminal.describe());
      assertEquals(settingsOf(terminal), settings);
      assertMatch(linesOf(terminal.output).at(-1)!, /^reptyr: Given up after SIG/);
      for (const process of both) process.assert();
      asleep.wake();
      asleep.terminal.line("hello");
      asleep.terminal.expect("line: hello");
    });
  }

  for (const [name, signal] of Object.entries(SIGNALS)) {
    requiresCompiler(`gives up at ${name}`, () => {
      using asleep = new Asleep();
      const { terminal, settings } = startOn([PATIENT, asleep.pid]);
      using _ = terminal;
      terminal.expect(WAITING);
      terminal.child.handle.signal(signal);
      const status = { kind: "exited", status: 128 + signal } as const;
      assertEquals(terminal.expectExit(), status, terminal.describe());
      assertEquals(settingsOf(terminal), settings);
      assertEquals(readStatus(asleep.pid)?.tracerPid, 0);
    });
  }

  requiresCompiler("stops at ^Z, tries again at fg, and moves the process then", () => {
    using asleep = new Asleep();
    using shell = Terminal.start(SHELL, { label: "new shell" });
    shell.expect(PROMPT);
    shell.line(`${reptyrPath} ${PATIENT} ${asleep.pid}`);
    shell.expect(WAITING);
    const both = [asleep.pid, asleep.child.pid].map((pid) => new Untouched(pid));
    shell.press("^Z");
    shell.expect("Stopped");
    shell.expect(PROMPT);
    for (const process of both) process.assert();
    // The shell's terminal is as it types on.
    shell.line("echo $((6 * 7))");
    shell.expect("42");
    shell.line("fg");
    shell.expect(WAITING);
    asleep.wake();
    untilRaw(shell);
    waitUntil("the move", () => readStat(asleep.pid)?.tpgid === asleep.pid);
    shell.line("moved");
    shell.expect("line: moved");
  });

  requiresCompiler("continues in the background after ^Z as in the foreground", () => {
    using asleep = new Asleep();
    using shell = Terminal.start(SHELL, { label: "new shell" });
    shell.expect(PROMPT);
    shell.line(`${reptyrPath} ${PATIENT} ${asleep.pid}`);
    shell.expect(WAITING);
    shell.press("^Z");
    shell.expect(PROMPT);
    shell.line("bg");
    shell.expect(PROMPT);
    shell.line("fg");
    shell.expect(WAITING);
    shell.press("^C");
    shell.expect(PROMPT);
    shell.line('echo "status $?"');
    shell.expect("status 130\r\n");
    assertEquals(readStatus(asleep.pid)?.tracerPid, 0);
  });

  requiresCompiler("is announced by --why", () => {
    using asleep = new Asleep();
    const { terminal } = startOn(["--why", asleep.pid]);
    using _ = terminal;
    assertEquals(terminal.expectExit(), { kind: "exited", status: 0 }, terminal.describe());
    assertMatch(
      terminal.output.replaceAll(/\s+/g, " "),
      new RegExp(`Thread ${asleep.pid} of process ${asleep.pid} is in uninterruptible sleep`),
    );
  });
});

describe("reptyr -T that waits for the program behind a terminal", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("names the reason, and gives up at ^C", () => {
    using emulator = Emulator.start("vfork");
    const { window, shell } = emulator;
    waitUntil("vfork", () => readStat(window.pid)?.state === "D");
    const { terminal, settings } = startOn(["-T", PATIENT, shell]);
    using _ = terminal;
    terminal.expect(WAITING);
    terminal.press("^C");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 130 }, terminal.describe());
    assertEquals(settingsOf(terminal), settings);
    assertEquals(readStatus(window.pid)?.tracerPid, 0);
    assert(!window.hungUp);
  });
});

describe("procout that waits for a process to stop", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("names the reason, and gives up at ^C", () => {
    using asleep = new Asleep();
    const both = [asleep.pid, asleep.child.pid].map((pid) => new Untouched(pid));
    using procout = Procout.start(["--engine=ptrace", asleep.pid]);
    const text = new RegExp(
      `^procout: waiting for thread ${asleep.pid} of ${asleep.pid} \\(state D`,
    );
    waitUntil("what it waits for", () => text.test(procout.stderr));
    procout.signal(SIGINT);
    procout.expectEnd(0);
    for (const process of both) process.assert();
    asleep.wake();
    asleep.terminal.line("hello");
    asleep.terminal.expect("line: hello");
  });
});
