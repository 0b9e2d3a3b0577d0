/**
 * System calls of reptyr that fail: strace(1) makes the Nth call of a name answer an error. Whatever
 * fails, there is one message and the target is what it was, or the move is made in another way.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft, SHAPES, Target } from "../support/e2e_target.ts";
import {
  assertMessage,
  isMoved,
  linesOf,
  Moved,
  refused,
  startOn,
  Untouched,
} from "../support/input_run.ts";
import { isX86_64, requires, requiresThat, victim } from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";
import { WITHOUT_RESOURCE } from "../support/users.ts";

interface Fault {
  readonly call: string;
  readonly error: string;
  /**
   * As of strace's `when=`: `3..4` is the third call and the fourth, `3+` the third and all after it. A call that
   * failed is made once more, for its error: to fail for good it has to fail twice.
   */
  readonly when: readonly string[];
}

/** A prefix that runs reptyr so that the call fails. */
function failing({ call, error }: Fault, when: string): string[] {
  return [
    "strace",
    ...[
      "-f",
      "-qq",
      "--seccomp-bpf",
      "-o",
      "/dev/null",
      "-e",
      `trace=${call}`,
      "-e",
      "signal=none",
    ],
    ...["-e", `inject=${call}:error=${error}:when=${when}`],
  ];
}

function start(shape: (typeof SHAPES)[number]): Target {
  return Target.start(shape, [victim("command")], (terminal) => terminal.expect("ready"));
}

describe("a system call that fails before the target is changed", () => {
  afterEach(assertNoneLeft);

  const faults: Fault[] = [
    { call: "pidfd_open", error: "EMFILE", when: ["1", "2"] },
    { call: "pidfd_getfd", error: "EPERM", when: ["2"] },
    { call: "sendmsg", error: "EPERM", when: ["1..2"] },
    { call: "sendmsg", error: "ETOOMANYREFS", when: ["1..2"] },
    // Seize, interrupt, registers, signal mask: nothing has been called in the target's name by then.
    {
      call: "ptrace",
      error: "EPERM",
      // A thread that executes a program answers EPERM for a moment: PTRACE_SEIZE is tried five times, each made once more.
      when: ["1..10", "2..3", "3..8", "4..5", "5..6", "6..7", "8..9"],
    },
    { call: "ptrace", error: "EIO", when: ["1..2", "4..5", "4+"] },
  ];
  for (const shape of SHAPES) {
    for (const fault of faults) {
      const { call, error, when } = fault;
      requires("strace")(`is reported: ${call} ${error} ${when}: ${shape}`, () => {
        for (const number of when) {
          using target = start(shape);
          const before = new Untouched(target.pid);
          const [message] = refused([target.pid], { prefix: failing(fault, number) });
          assertMatch(message!, new RegExp(`\\(${error}\\)|permission denied`), `${number}`);
          before.assert();
          target.terminal.line("hello");
          target.terminal.expect("line: hello");
        }
      });
    }
  }
});

describe("a system call that can be done without", () => {
  afterEach(assertNoneLeft);

  const faults: Fault[] = [
    // Forbidden by a container's seccomp filter, or left out of the kernel.
    { call: "process_vm_readv", error: "EPERM", when: ["1", "2..3", "4..5", "1+"] },
    { call: "process_vm_writev", error: "EPERM", when: ["1", "2..3", "1+"] },
    { call: "process_vm_readv", error: "ENOSYS", when: ["1+"] },
    { call: "process_vm_writev", error: "ENOSYS", when: ["1+"] },
    { call: "fchown", error: "EPERM", when: ["1+"] },
    // While the target has our registers, a refused request is made once more.
    {
      call: "ptrace",
      error: "EPERM",
      when: ["1..2", "4", "9..10", "16", "27..28", "50..51", "78"],
    },
    { call: "ptrace", error: "EIO", when: ["9", "22..23", "82..83"] },
  ];
  for (const shape of SHAPES) {
    for (const fault of faults) {
      const { call, error, when } = fault;
      requires("strace")(
        `does not prevent a move: ${call} ${error} ${when}: ${shape}`,
        () => {
          for (const number of when) {
            using target = start(shape);
            using moved = Moved.to(target.pid, { prefix: failing(fault, number) });
            moved.terminal.line("hello");
            moved.terminal.expect("line: hello");
            moved.terminal.line("exit 9");
            assertEquals(moved.terminal.expectExit(), { kind: "exited", status: 9 });
          }
        },
      );
    }
  }
});

describe("ptrace(2) that never works again", () => {
  afterEach(assertNoneLeft);

  const onX86_64 = isX86_64 ? requires("strace") : requiresThat(false, "there is no safety net");
  onX86_64("leaves a session leader to undo the changes by itself", () => {
    for (const when of ["23+", "38+", "52+", "66+"]) {
      using target = start("session leader");
      const before = new Untouched(target.pid);
      const fault = { call: "ptrace", error: "EIO", when: [] };
      const [message] = refused([target.pid], { prefix: failing(fault, when) });
      assertMatch(message!, /\(EIO\)/);
      before.assert();
      target.terminal.line("hello");
      target.terminal.expect("line: hello");
    }
  });
});

describe("a target that may open hardly any more files", () => {
  afterEach(assertNoneLeft);

  // Each of 0, 1 and 2 is a description of its own, and needs a new one of its own.
  const opened = [
    "bash",
    "-c",
    'tty=$(tty); exec "$0" <"$tty" >"$tty" 2>"$tty"',
  ];
  for (const shape of SHAPES) {
    requires("prlimit", "cc", "setpriv")(
      `is moved, or refused with the reason and left as it was: ${shape}`,
      () => {
        const outcomes: string[] = [];
        for (let limit = 3; limit <= 20; limit++) {
          using target = Target.start(
            shape,
            [...WITHOUT_RESOURCE, ...opened, victim("command")],
            (terminal) => terminal.expect("ready"),
          );
          const { success } = new Deno.Command("prlimit", {
            args: [`--pid=${target.pid}`, `--nofile=${limit}:${limit}`],
          }).outputSync();
          assertEquals(success, true);
          const before = new Untouched(target.pid);
          const { terminal } = startOn([target.pid], { prefix: WITHOUT_RESOURCE });
          using _ = terminal;
          const tty = target.stat.ttyNr;
          const outcome = waitUntil(
            "a move or a refusal",
            () =>
              terminal.child.status === undefined ? isMoved(target.pid, tty) && "moved" : "refused",
          );
          outcomes.push(outcome);
          const now = outcome === "moved" ? terminal : target.terminal;
          if (outcome === "refused") {
            assertMessage(linesOf(terminal.output));
            assertMatch(terminal.output, /RLIMIT_NOFILE|files|EMFILE/);
            before.assert();
          }
          now.line("hello");
          now.expect("line: hello");
        }
        // First it cannot be moved, and from some limit on it can.
        assertEquals(outcomes, outcomes.toSorted().toReversed());
        assertEquals([outcomes[0], outcomes.at(-1)], ["refused", "moved"]);
      },
    );
  }
});
