import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { usleep } from "../../src/ffi/process.ts";
import { ScreenModes } from "../../src/tty/screen_modes.ts";
import { assertNoneLeft, type Shape, SHAPES, Target } from "../support/e2e_target.ts";
import { Moved, switchesOf } from "../support/input_run.ts";
import { Sequence, stream, WRITTEN_SEED } from "../support/input_stream.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import { DEFAULT_TIMEOUT_MS, waitUntil } from "../support/terminal.ts";

const MB = 1_000_000;

function start(shape: Shape, ...args: (string | number)[]): Target {
  return Target.start(
    shape,
    [victim("input_bytes"), ...args.map(String)],
    (terminal) => terminal.expect("ready"),
  );
}

/** What puts a screen right that was shown the first `count` of the random bytes. */
function resetAfter(count: number): string {
  const modes = new ScreenModes();
  const bytes = new Uint8Array(count);
  new Sequence(WRITTEN_SEED).fill(bytes);
  modes.feed(bytes);
  return modes.reset;
}

const PAUSE_US = 20_000;

/** As waitUntil(), but no terminal is read meanwhile. */
function waitUnread(what: string, done: () => boolean): void {
  const end = performance.now() + DEFAULT_TIMEOUT_MS;
  while (!done()) {
    assert(performance.now() < end, `Waited in vain for ${what}`);
    usleep(PAUSE_US);
  }
}

/** Whether no thread of the process has run for ten looks in a row. */
function isAtRest(pid: number): boolean {
  const before = switchesOf(pid);
  for (let look = 0; look < 10; look++) {
    usleep(PAUSE_US);
    if (switchesOf(pid) !== before) return false;
  }
  return true;
}

describe("reptyr between keyboard and screen", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requiresCompiler(`carries 20 MB from the keyboard, none lost or reordered: ${shape}`, () => {
      using target = start(shape, "check", 20 * MB);
      using moved = Moved.to(target.pid);
      assertEquals(stream(moved.terminal, { type: 20 * MB }), undefined);
      moved.terminal.expect(`good ${20 * MB}`);
      moved.expectEnd(0);
    });

    requiresCompiler(`carries 50 MB to the screen, up to the last: ${shape}`, () => {
      using target = start(shape, "write", 50 * MB);
      using moved = Moved.to(target.pid);
      // The victim ends right after its last write(2).
      assertEquals(stream(moved.terminal, { compare: 50 * MB }), undefined);
      moved.expectEnd(0);
      assertEquals(moved.terminal.output, resetAfter(50 * MB));
    });
  }

  requiresCompiler("carries 10 MB both ways at once", () => {
    using target = start("foreground job", "both", 10 * MB);
    using moved = Moved.to(target.pid);
    assertEquals(stream(moved.terminal, { type: 10 * MB, compare: 10 * MB }), undefined);
    moved.expectEnd(0);
    assertEquals(moved.terminal.output, resetAfter(10 * MB));
  });

  requiresCompiler("holds a writer back while the screen is not read, and loses nothing", () => {
    using target = start("foreground job", "write", 5 * MB);
    using moved = Moved.to(target.pid);
    const difference = stream(moved.terminal, {
      compare: 5 * MB,
      pauseAt: MB,
      // Nobody reads: the writer comes to sleep in write(2), and stays there.
      onPause: () => {
        waitUnread(
          "the writer to be held back",
          () => isAtRest(target.pid) && isAtRest(moved.reptyr),
        );
        assert(!moved.process.ended, "The victim has written more than can be held for it");
      },
    });
    assertEquals(difference, undefined);
    moved.expectEnd(0);
    assertEquals(moved.terminal.output, resetAfter(5 * MB));
  });

  requiresCompiler("lets the last bytes pass to a screen that is slow to take them", () => {
    using target = start("session leader", "write", 12_000);
    using moved = Moved.to(target.pid);
    const difference = stream(moved.terminal, {
      compare: 12_000,
      pauseAt: 1,
      // The rest fits into the buffers of both terminals, 8 KiB each: the victim ends while nobody reads.
      onPause: () => waitUnread("the victim to end", () => moved.process.ended),
    });
    assertEquals(difference, undefined);
    moved.expectEnd(0);
    assertEquals(moved.terminal.output, resetAfter(12_000));
  });

  for (const shape of SHAPES) {
    requiresCompiler(`takes ^C to a target that floods the screen: ${shape}`, () => {
      using target = start(shape, "flood");
      using moved = Moved.to(target.pid);
      moved.terminal.type("go\n");
      waitUntil("a flood", () => moved.terminal.output.length > MB);
      moved.terminal.press("^C");
      moved.terminal.expect("interrupted");
      moved.expectEnd(7);
    });
  }
});
