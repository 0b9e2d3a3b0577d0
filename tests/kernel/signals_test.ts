import { assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { SIGCONT, SIGSTOP, SIGTERM, SIGTSTP } from "../../src/ffi/constants.ts";
import { kill } from "../../src/ffi/process.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import { requiresCompiler } from "../support/programs.ts";
import type { Terminal } from "../support/terminal.ts";
import { startVictim, untilBlocked, untilState } from "../support/victim.ts";

const SIGUSR1 = 10;
const SIGUSR2 = 12;
/** SIGRTMIN + 1 of glibc, which keeps the first two for itself. */
const SIGRTMIN_1 = 35;

/** How often `victim` has told of `signal`, once it has answered a line. */
function countSignals(victim: Terminal, signal: number): number {
  victim.line("counted");
  victim.expect("line: counted");
  return victim.output.split(`signal ${signal} `).length - 1;
}

/** The moments at which a signal may come. */
const MOMENTS:
  readonly (readonly [when: string, disturb: (pid: number, send: () => void) => void])[] = [
    ["while all threads are stopped", (pid, send) => {
      using _tracee = Tracee.seize(pid, { timeoutSeconds: 10 });
      send();
    }],
    ["before the first injected call", (pid, send) => {
      using tracee = Tracee.seize(pid, { timeoutSeconds: 10 });
      send();
      using remote = RemoteSyscalls.begin(tracee);
      assertEquals(remote.syscallOrThrow("getpid"), BigInt(pid));
    }],
    ["between injected calls", (pid, send) => {
      using tracee = Tracee.seize(pid, { timeoutSeconds: 10 });
      using remote = RemoteSyscalls.begin(tracee);
      assertEquals(remote.syscallOrThrow("getpid"), BigInt(pid));
      send();
      assertEquals(remote.syscallOrThrow("getpid"), BigInt(pid));
      remote.write(Uint8Array.of(1));
      remote.syscallOrThrow("getpid");
    }],
    ["after the last injected call", (pid, send) => {
      using tracee = Tracee.seize(pid, { timeoutSeconds: 10 });
      {
        using remote = RemoteSyscalls.begin(tracee);
        assertEquals(remote.syscallOrThrow("getpid"), BigInt(pid));
      }
      send();
    }],
  ];

for (const [when, disturb] of MOMENTS) {
  describe(`a signal ${when}`, () => {
    requiresCompiler("is delivered once, afterwards", () => {
      using victim = startVictim("signals");
      untilBlocked(victim.pid);
      const before = snapshot(victim.pid);
      disturb(victim.pid, () => kill(victim.pid, SIGUSR1));
      victim.expect(`signal ${SIGUSR1} `);
      assertNothingLeft(before);
      assertEquals(countSignals(victim, SIGUSR1), 1);
    });

    requiresCompiler("is delivered as often as it was queued", () => {
      using victim = startVictim("signals");
      untilBlocked(victim.pid);
      disturb(victim.pid, () => {
        for (let i = 0; i < 5; i++) kill(victim.pid, SIGRTMIN_1);
      });
      for (let i = 0; i < 5; i++) victim.expect(`signal ${SIGRTMIN_1} `);
      assertEquals(countSignals(victim, SIGRTMIN_1), 5);
    });

    requiresCompiler("stays pending when the process itself blocks it", () => {
      using victim = startVictim("signals");
      victim.line("block");
      victim.expect("line: block");
      untilBlocked(victim.pid);
      disturb(victim.pid, () => kill(victim.pid, SIGUSR2));
      assertEquals(countSignals(victim, SIGUSR2), 0);
      assertEquals(readStatus(victim.pid)?.sharedPending, 1n << BigInt(SIGUSR2 - 1));
      assertEquals(readStatus(victim.pid)?.sigBlocked, 1n << BigInt(SIGUSR2 - 1));
      victim.line("unblock");
      victim.expect("line: unblock");
      assertEquals(countSignals(victim, SIGUSR2), 1);
    });

    requiresCompiler("ends the process when that is its action", () => {
      using victim = startVictim("signals");
      untilBlocked(victim.pid);
      disturb(victim.pid, () => kill(victim.pid, SIGTERM));
      assertEquals(victim.expectExit(), { kind: "signaled", signal: SIGTERM });
    });

    for (const [name, signal] of [["SIGSTOP", SIGSTOP], ["SIGTSTP", SIGTSTP]] as const) {
      // The victim leads the only group of its session: an orphaned one, which SIGTSTP does not stop.
      const stops = signal === SIGSTOP;
      requiresCompiler(`${stops ? "stops" : "does not stop"} it: ${name}`, () => {
        using victim = startVictim("signals");
        untilBlocked(victim.pid);
        const before = snapshot(victim.pid);
        disturb(victim.pid, () => kill(victim.pid, signal));
        if (stops) {
          untilState(victim.pid, "T");
          kill(victim.pid, SIGCONT);
        }
        assertNothingLeft(before);
        assertEquals(countSignals(victim, SIGUSR1), 0);
      });
    }

    requiresCompiler("that stops it, followed by SIGCONT, leaves it running", () => {
      using victim = startVictim("signals");
      untilBlocked(victim.pid);
      const before = snapshot(victim.pid);
      disturb(victim.pid, () => {
        kill(victim.pid, SIGSTOP);
        kill(victim.pid, SIGCONT);
      });
      assertNothingLeft(before);
      assertEquals(countSignals(victim, SIGUSR1), 0);
    });

    requiresCompiler("continues a process that was job-stopped before", () => {
      using victim = startVictim("signals");
      untilBlocked(victim.pid);
      const before = snapshot(victim.pid);
      kill(victim.pid, SIGSTOP);
      untilState(victim.pid, "T");
      disturb(victim.pid, () => kill(victim.pid, SIGCONT));
      assertNothingLeft(before);
      assertEquals(readStat(victim.pid)?.state === "T", false);
      assertEquals(countSignals(victim, SIGUSR1), 0);
    });
  });
}
