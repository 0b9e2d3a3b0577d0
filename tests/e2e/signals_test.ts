import { assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGWINCH } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { childrenOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, type Shape, SHAPES, Target } from "../support/e2e_target.ts";
import { linesOf, Moved, settingsOf, startOn } from "../support/input_run.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

/** A target that tells a file what becomes of its terminal. */
class Witness implements Disposable {
  readonly target: Target;
  readonly #file = Deno.makeTempFileSync();

  constructor(shape: Shape) {
    this.target = Target.start(
      shape,
      [victim("input_hangup"), this.#file],
      (terminal) => terminal.expect("ready"),
    );
  }

  /** Wait for its end; what it has seen, line by line. */
  account(): string[] {
    waitUntil("the target to end", () => this.target.handle.ended, {
      descriptors: [this.target.handle.descriptor],
    });
    return Deno.readTextFileSync(this.#file).trim().split("\n").map((line) =>
      // read(2) on a terminal that hangs up answers EIO, and 0 once it has done so: tty_read(), hung_up_tty_read().
      /^read (-1 EIO|0 -)$/.test(line) ? "end of input" : line
    );
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#file);
    this.target[Symbol.dispose]();
  }
}

const SIGNALS = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

describe("a signal to reptyr", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    for (const [name, signal] of Object.entries(SIGNALS)) {
      requiresCompiler(`ends reptyr, restores the terminal and hangs up: ${name}, ${shape}`, () => {
        using witness = new Witness(shape);
        using moved = Moved.to(witness.target.pid);
        moved.terminal.line("hello");
        moved.terminal.expect("line: hello");
        moved.terminal.child.handle.signal(signal);
        const status = { kind: "exited" as const, status: 128 + signal };
        assertEquals(moved.terminal.expectExit(), status);
        assertEquals(settingsOf(moved.terminal), moved.settings);
        moved.terminal.expect(
          `reptyr: ended by ${name}: process ${moved.pid} is told that its terminal hangs up\r`,
        );
        // SIGHUP, as it was before the move also where the old shell was to be kept from sending it.
        assertEquals(witness.account(), ["SIGHUP", "end of input"]);
      });
    }
  }

  requiresCompiler("SIGKILL: the target lives, and its terminal hangs up", () => {
    using witness = new Witness("session leader");
    using moved = Moved.to(witness.target.pid);
    moved.terminal.child.handle.signal(SIGKILL);
    assertEquals(moved.terminal.expectExit(), { kind: "signaled", signal: SIGKILL });
    assertEquals(witness.account(), ["SIGHUP", "end of input"]);
  });

  requiresCompiler(
    "SIGKILL while the target is shielded from its old shell: the target reads end of file",
    () => {
      using witness = new Witness("foreground job");
      using moved = Moved.to(witness.target.pid);
      moved.terminal.child.handle.signal(SIGKILL);
      assertEquals(moved.terminal.expectExit(), { kind: "signaled", signal: SIGKILL });
      assertEquals(witness.account(), ["end of input"]);
    },
  );

  requiresCompiler("before the move has its default action", () => {
    using stopped = Terminal.start([victim("input_vfork")]);
    stopped.expect("ready");
    waitUntil("uninterruptible sleep", () => readStat(stopped.pid)?.state === "D");
    const { terminal, settings } = startOn(["--timeout=1000", stopped.pid]);
    using _ = terminal;
    terminal.expect("waiting for thread");
    terminal.child.handle.signal(SIGTERM);
    assertEquals(terminal.expectExit(), { kind: "exited", status: 143 }, terminal.describe());
    assertEquals(settingsOf(terminal), settings);
    assertEquals(readStatus(stopped.pid)?.tracerPid, 0);
  });
});

describe("the end of the user's terminal", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requiresCompiler(`ends reptyr and hangs up: ${shape}`, () => {
      using witness = new Witness(shape);
      using moved = Moved.to(witness.target.pid);
      // As when its window is closed: the master goes, and nobody ends reptyr.
      moved.terminal.hangUp();
      const status = waitUntil("reptyr to end", () => moved.terminal.child.status);
      // The kernel's SIGHUP may come when all is done and it listens no more; shells say 129 for both.
      if (status.kind === "signaled") assertEquals(status.signal, SIGHUP);
      else assertEquals(status, { kind: "exited", status: 129 });
      assertEquals(witness.account(), ["SIGHUP", "end of input"]);
    });
  }
});

describe("an error after the terminal was made raw", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("restores the terminal", () => {
    using stopped = Terminal.start([victim("input_vfork")]);
    stopped.expect("ready");
    waitUntil("uninterruptible sleep", () => readStat(stopped.pid)?.state === "D");
    using child = new ProcessHandle(waitUntil("the child", () => childrenOf(stopped.pid)[0]));
    using cleanup = new DisposableStack();
    cleanup.defer(() => child.end());
    const { terminal, settings } = startOn(["--timeout=60", stopped.pid]);
    using _ = terminal;
    waitUntil("a raw terminal", () => settingsOf(terminal) !== settings);
    // Only now, however long it took to see that, has reptyr something to say.
    stopped.child.handle.end();
    assertEquals(terminal.expectExit(), { kind: "exited", status: 1 });
    assertEquals(settingsOf(terminal), settings);
    assertEquals(linesOf(terminal.output), [
      `reptyr: Process ${stopped.pid} ended while it was being worked on`,
    ]);
    assertMatch(linesOf(terminal.output)[0]!, /^reptyr: /);
  });
});

describe("a storm of window sizes", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requiresCompiler(`ends with the right one: ${shape}`, () => {
      using witness = new Witness(shape);
      using moved = Moved.to(witness.target.pid);
      for (let round = 0; round < 200; round++) {
        moved.terminal.resize(10 + round % 50, 40 + round % 70);
        moved.terminal.child.handle.signal(SIGWINCH);
      }
      moved.terminal.resize(61, 111);
      moved.terminal.expect("size 61x111.");
      // And it is the last.
      moved.terminal.line("after");
      moved.terminal.expect("line: after");
      const sizes = [...moved.terminal.output.matchAll(/size (\d+x\d+)\./g)].map(([, size]) =>
        size
      );
      assertEquals(sizes.at(-1), "61x111");
    });
  }
});
