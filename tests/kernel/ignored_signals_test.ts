/**
 * A signal that a process ignores is queued while the thread that it is sent to is traced, and wakes another one. None of
 * those returns EINTR for that which is stopped and let go: releaseThreads() of src/tracee/release.ts, and its like for stops.
 */
import { assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { readBlockedCall } from "../../src/proc/blocked_call.ts";
import { readStat } from "../../src/proc/stat.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { isX86_64, requires, requiresThat } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { startVictim } from "../support/victim.ts";

const TIMES = 100;
const SIGWINCH = 28;

const onX86_64 = isX86_64
  ? requires("cc", "sh")
  : requiresThat(false, "a stopped call is repaired only when its thread is let go");

describe("signals that a process ignores", () => {
  for (const call of ["epoll_wait", "recvfrom-timeout", "accept-timeout", "semtimedop"]) {
    onX86_64(`break no call of a thread while its siblings are traced: ${call}`, () => {
      using victim = startVictim("waits", [call]);
      const { pid } = victim;
      const tid = listTids(pid)!.find((tid) => tid !== pid)!;
      const waits = () =>
        readStat(pid, tid)?.state === "S" && readBlockedCall(pid, tid) !== undefined;
      waitUntil("the thread to wait", waits);
      const line = `echo begun; while kill -${SIGWINCH} ${pid}; do :; done`;
      using storm = Terminal.start(["sh", "-c", line]);
      storm.expect("begun");
      for (let times = 0; times < TIMES; times++) {
        using _tracee = Tracee.seize(pid, { timeoutSeconds: 20 });
      }
      waitUntil("the thread to wait", waits);
      victim.line("count");
      const [, count] = victim.expect(/returned (\d+):/);
      assertEquals(Number(count), 0);
    });
  }
});
