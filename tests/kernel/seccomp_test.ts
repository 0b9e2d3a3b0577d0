/**
 * Threads under seccomp filters that make our calls, and are let go in the middle of it: PTRACE_DETACH ends the suspension
 * of a filter as the death of the tracer does.
 */
import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { SIGCONT } from "../../src/ffi/constants.ts";
import { kill } from "../../src/ffi/process.ts";
import { isLive, readStat } from "../../src/proc/stat.ts";
import { DATA, RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { suspendingItself } from "../../src/tracee/suspend.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { Deadline, nextStatus, waitOut } from "../../src/tracee/wait.ts";
import { requires32, requiresCapability } from "../support/capabilities.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import { FLAGS_32, requiresCompiler } from "../support/programs.ts";
import type { Terminal } from "../support/terminal.ts";
import { startVictim, untilAllBlocked } from "../support/victim.ts";

const OPTIONS = { timeoutSeconds: 10 };
const SIGTSTP = 20;
const HIGH_FD = 20;

const suspending = requiresCapability("seccomp_suspend", requiresCompiler);
const suspending32 = requiresCapability("seccomp_suspend", requires32());

/** Under which a call that is not among a program's own ends it, or waits for another process. */
const STRICT = ["kill", "kill-thread", "trap", "notify", "two", "strict", "pointer"];
/** Under which such a call returns an error, or is made. */
const LENIENT = ["errno", "trace", "log"];

/** Steps of an injected call after which its thread is stopped: at its entry, at its exit. */
const STOPS = 2;

/** Let process `pid` go after `stops` stops of a call that its filter does not allow. */
function leaveInCall(pid: number, stops: number): void {
  using tracee = Tracee.seize(pid, OPTIONS);
  const remote = RemoteSyscalls.begin(tracee);
  assert(remote.hasSigframes, "no safety net");
  const steps = remote.call("getsid", 0);
  for (let done = 0; done < stops; done++) assertEquals(steps.next().done, false);
  if (stops > 0) {
    waitOut(nextStatus(pid, pid, new Deadline(OPTIONS.timeoutSeconds)));
    tracee.noteStopped(pid);
  }
  remote.leaveToSigframes();
}

function assertAnswers(victim: Terminal, word: string): void {
  victim.line(word);
  victim.expect(`line: ${word}`);
}

for (
  const [bits, test, flags] of [[64, suspending, []], [32, suspending32, FLAGS_32]] as const
) {
  // Not of 32-bit programs: SECCOMP_MODE_STRICT; and their C library leaves it to the kernel where a handler returns to.
  const filters = [...STRICT, ...LENIENT].filter((filter) =>
    bits === 64 || !["strict", "pointer"].includes(filter)
  );
  describe(`a ${bits}-bit process under a seccomp filter`, () => {
    for (const filter of filters) {
      test(`makes our calls, and can be released at any stop: ${filter}`, () => {
        using victim = startVictim("sandboxed", [filter], { flags });
        const { pid } = victim;
        untilAllBlocked(pid);
        const before = snapshot(pid);
        for (let stops = 0; stops <= STOPS; stops++) {
          leaveInCall(pid, stops);
          assertNothingLeft(before);
          assertAnswers(victim, `stop${stops}`);
          untilAllBlocked(pid);
        }
        {
          using tracee = Tracee.seize(pid, OPTIONS);
          using remote = RemoteSyscalls.begin(tracee);
          assertEquals(remote.syscallOrThrow("getpid"), BigInt(pid));
          remote.write(Uint8Array.of(1));
        }
        assertNothingLeft(before);
        assertAnswers(victim, "end");
      });
    }

    test("undoes by itself the changes that the filter lets it undo, and no others", () => {
      for (
        const [filter, undone] of [
          ["kill", []],
          ["errno", []],
          ["two", ["close"]],
          ["wide", ["clock_nanosleep", "close"]],
          ["deny", ["close", "dup3", "nanosleep"]],
        ] as const
      ) {
        using victim = startVictim("sandboxed", [filter], { flags });
        const { pid } = victim;
        untilAllBlocked(pid);
        using tracee = Tracee.seize(pid, OPTIONS);
        const remote = RemoteSyscalls.begin(tracee);
        const wanted: string[] = [];
        if (remote.pushUndoFrame("close", [HIGH_FD]) !== undefined) wanted.push("close");
        if (remote.pushUndoFrame("dup3", [HIGH_FD, HIGH_FD + 1, 0]) !== undefined) {
          wanted.push("dup3");
        }
        const data = new Uint8Array(16);
        const time = [DATA, 0] as const;
        const instead = ["clock_nanosleep", [1, 0, ...time]] as const;
        if (remote.pushUndoFrame("nanosleep", time, { data }) !== undefined) {
          wanted.push("nanosleep");
        } else if (remote.pushUndoFrame("nanosleep", time, { data, instead }) !== undefined) {
          wanted.push("clock_nanosleep");
        }
        assertEquals(wanted.sort(), [...undone], filter);
        assertEquals(tracee.leftUndone.has("dup3"), !wanted.includes("dup3"), filter);
        remote.syscallOrThrow("getpid");
        remote.leaveToSigframes();
        tracee.detach();
        assertAnswers(victim, "hello");
      }
    });

    test("that forbids rt_sigreturn(2): it has no sigframe stack", () => {
      for (const filter of ["no-sigreturn", ...bits === 32 ? ["strict"] : []]) {
        using victim = startVictim("sandboxed", [filter], { flags });
        const { pid } = victim;
        untilAllBlocked(pid);
        const before = snapshot(pid);
        {
          using tracee = Tracee.seize(pid, OPTIONS);
          using remote = RemoteSyscalls.begin(tracee);
          assert(!remote.hasSigframes, filter);
          assert(tracee.isReturnForbidden, filter);
          assertEquals(remote.syscallOrThrow("getpid"), BigInt(pid));
        }
        assertNothingLeft(before);
        assertAnswers(victim, "hello");
      }
    });

    test("is undisturbed although the filter forbids restart_syscall(2)", () => {
      using victim = startVictim("sandboxed", ["no-restart"], { flags });
      const { pid } = victim;
      untilAllBlocked(pid);
      const before = snapshot(pid);
      for (let times = 0; times < 3; times++) {
        {
          using tracee = Tracee.seize(pid, OPTIONS);
          if (times > 0) {
            using remote = RemoteSyscalls.begin(tracee);
            remote.syscallOrThrow("getpid");
          }
        }
        untilAllBlocked(pid);
      }
      assertNothingLeft(before);
      assertAnswers(victim, "hello");
      assert(!victim.output.includes("poll:"), victim.output);
    });

    test("is under its filter while it runs, because only our calls suspend it", () => {
      using victim = startVictim("sandboxed", ["errno"], { flags });
      const { pid } = victim;
      untilAllBlocked(pid);
      using tracee = Tracee.seize(pid, OPTIONS);
      {
        using remote = RemoteSyscalls.begin(tracee);
        remote.syscallOrThrow("getpid");
      }
      // It has a handler, which makes a call that the filter answers, and does not stop.
      waitOut(suspendingItself(tracee, 0.2, OPTIONS.timeoutSeconds));
      tracee.detach();
      kill(pid, SIGTSTP);
      victim.expect("getppid EPERM");
      victim.expect("getppid EPERM");
      assert(!victim.output.includes("getppid allowed"), victim.output);
    });

    test("is brought into a group-stop, which another process ends", () => {
      using victim = startVictim("sandboxed", ["kill"], { flags });
      const { pid } = victim;
      untilAllBlocked(pid);
      {
        using tracee = Tracee.seize(pid, OPTIONS);
        const remote = RemoteSyscalls.begin(tracee);
        assert(remote.takeStop());
        remote.leaveToSigframes();
      }
      kill(pid, SIGCONT);
      assertAnswers(victim, "hello");
      assert(isLive(readStat(pid)!));
    });
  });
}
