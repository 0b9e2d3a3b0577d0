import { assertEquals, assertThrows } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { TraceeDiedError } from "../../src/errors.ts";
import { SIGCONT } from "../../src/ffi/constants.ts";
import { kill } from "../../src/ffi/process.ts";
import { readStat } from "../../src/proc/stat.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { suspendingItself } from "../../src/tracee/suspend.ts";
import { waitOut } from "../../src/tracee/wait.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { Terminal } from "../support/terminal.ts";
import { startVictim, untilAllBlocked } from "../support/victim.ts";

const OPTIONS = { timeoutSeconds: 10 };
/** As long as it takes, and no longer than a program takes that does not stop. */
const LONG = 20;
const SHORT = 0.2;

function start(how: string): Terminal {
  const terminal = startVictim("suspends", [how]);
  untilAllBlocked(terminal.pid);
  return terminal;
}

describe("suspendingItself", () => {
  for (const how of ["raise", "stop"]) {
    requiresCompiler(`holds a program at the place where it stops: ${how}`, () => {
      using terminal = start(how);
      const { pid } = terminal;
      const before = snapshot(pid);
      for (let times = 0; times < 3; times++) {
        {
          using tracee = Tracee.seize(pid, OPTIONS);
          assertEquals(waitOut(suspendingItself(tracee, LONG, LONG)), true);
          terminal.expect("tidy\r\n");
          for (const tid of listTids(pid)!) assertEquals(readStat(pid, tid)?.state, "t");
          {
            using remote = RemoteSyscalls.begin(tracee);
            assertEquals(remote.syscallOrThrow("getpid"), BigInt(pid));
          }
          // Not one instruction further.
          assertEquals(terminal.output.match(/again/g)?.length ?? 0, times);
          kill(pid, SIGCONT);
        }
        terminal.expect("again\r\n");
        untilAllBlocked(pid);
        assertNothingLeft(before);
      }
      assertEquals(terminal.output.includes("interrupted"), false);
    });
  }

  requiresCompiler("stops a thread that starts meanwhile", () => {
    using terminal = start("threads");
    const { pid } = terminal;
    {
      using tracee = Tracee.seize(pid, OPTIONS);
      assertEquals(tracee.tids.length, 2);
      assertEquals(waitOut(suspendingItself(tracee, LONG, LONG)), true);
      assertEquals([...tracee.tids].sort(), listTids(pid)!.sort());
      assertEquals(tracee.tids.length, 3);
      for (const tid of tracee.tids) assertEquals(readStat(pid, tid)?.state, "t");
    }
    terminal.expect("again\r\n");
    untilAllBlocked(pid);
    assertEquals(terminal.output.includes("interrupted"), false);
  });

  requiresCompiler("returns when the program does not stop", () => {
    using terminal = start("refuse");
    const before = snapshot(terminal.pid);
    {
      using tracee = Tracee.seize(terminal.pid, OPTIONS);
      assertEquals(waitOut(suspendingItself(tracee, SHORT, LONG)), false);
      terminal.expect("tidy\r\n");
      for (const tid of tracee.tids) assertEquals(readStat(terminal.pid, tid)?.state, "t");
    }
    untilAllBlocked(terminal.pid);
    assertNothingLeft(before);
  });

  requiresCompiler("reports that the program has ended", () => {
    using terminal = start("end");
    using tracee = Tracee.seize(terminal.pid, OPTIONS);
    assertThrows(() => waitOut(suspendingItself(tracee, LONG, LONG)), TraceeDiedError);
    assertEquals(terminal.expectExit(), { kind: "reaped by its tracer" });
  });

  requires("bash", "cc")("shows its shell nothing", () => {
    using shell = Terminal.start(["bash", "--norc", "--noprofile", "-i"], { label: "shell" });
    shell.expect("$ ");
    shell.line(`${victim("suspends")} raise; echo $((6 * 7))`);
    const pid = Number(shell.expect(/ready (\d+)/)[1]);
    untilAllBlocked(pid);
    {
      using tracee = Tracee.seize(pid, OPTIONS);
      assertEquals(waitOut(suspendingItself(tracee, LONG, LONG)), true);
    }
    shell.expect("again\r\n");
    assertEquals(readStat(pid)?.tpgid, pid);
    shell.press("^C");
    shell.expect("$ ");
    assertEquals(/Stopped/.test(shell.output), false);
  });
});
