/** What the keyboard and the window of the new terminal do to the target. */
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft, RESTLESS, SHAPES, Target } from "../support/e2e_target.ts";
import { requires } from "../support/programs.ts";

/** A handler and pause(2) could miss a signal between the two; sigwaitinfo(2) cannot. */
const REPORT_SIZE = `
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
while True:
    print("size %dx%d" % tuple(reversed(os.get_terminal_size())), flush=True)
    signal.sigwaitinfo([signal.SIGWINCH])
`;

describe("keys and size of the new terminal reach the target", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requires("python3")(`^C interrupts python3, which goes on, ${shape}`, () => {
      using python = Target.start(shape, ["python3", "-q"], (terminal) => {
        terminal.expect(">>> ");
      }, { snapshot: RESTLESS });
      using moved = python.move();
      moved.line("print('run' + 'ning'); import time; time.sleep(1000)");
      moved.expect("running\r\n");
      moved.press("^C");
      moved.expect(/KeyboardInterrupt[^]*>>> /);
      moved.line("6 * 7");
      // Read as a line, before readline(3) has its settings, ^D would be no end but a NUL.
      moved.expect("42\r\n>>> ");
      moved.press("^D");
      python.expectEnd(moved, 0);
    });

    requires("cat")(`^C ends cat with status 130, ${shape}`, () => {
      using cat = Target.start(shape, ["cat"], (terminal) => {
        terminal.line("before");
        terminal.expect("before\r\nbefore\r\n");
      });
      using moved = cat.move();
      moved.press("^C");
      cat.expectEnd(moved, 130);
    });

    requires("cat", "sh")(`^\\ ends cat with status 131, ${shape}`, () => {
      using cat = Target.start(shape, ["sh", "-c", "ulimit -c 0; exec cat"], (terminal) => {
        terminal.line("before");
        terminal.expect("before\r\nbefore\r\n");
      });
      using moved = cat.move();
      moved.press("^\\");
      cat.expectEnd(moved, 131);
    });

    requires("python3")(`the size at the start and each later one, ${shape}`, () => {
      using python = Target.start(shape, ["python3", "-c", REPORT_SIZE], (terminal) => {
        terminal.expect("size 24x80");
      }, { snapshot: RESTLESS });
      using moved = python.move({ rows: 30, columns: 90 });
      moved.expect("size 30x90\r\n");
      moved.resize(17, 66);
      moved.expect("size 17x66\r\n");
      moved.resize(40, 132);
      moved.expect("size 40x132\r\n");
      moved.press("^C");
      moved.expect("KeyboardInterrupt");
      python.expectEnd(moved, 130);
    });
  }
});
