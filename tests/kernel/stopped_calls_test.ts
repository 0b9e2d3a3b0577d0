/**
 * What the kernel makes of a call whose thread is stopped, when the tracer is gone before it has repaired anything: the
 * table of docs/kill-safety.md. PTRACE_DETACH of a thread that nothing was done to leaves the same as a tracer's death.
 */
import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { describe } from "@std/testing/bdd";
import { PTRACE_O_TRACESYSGOOD } from "../../src/ffi/constants.ts";
import { readBlockedCall } from "../../src/proc/blocked_call.ts";
import { readStat } from "../../src/proc/stat.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { breakableOf } from "../../src/tracee/breakable_calls.ts";
import { detach, interrupt, seize } from "../../src/tracee/ptrace.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { Deadline, untilInterrupted, waitOut } from "../../src/tracee/wait.ts";
import { isX86_64, requiresCompiler } from "../support/programs.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { startVictim } from "../support/victim.ts";

const SECONDS = 20;
const ROOT = dirname(dirname(import.meta.dirname!));

/** As tests/victims/waits.c knows them. */
const SOCKET_CALLS = [
  ...["read", "readv", "write", "writev", "recvfrom", "recvmsg", "recvmmsg"],
  ...["sendto", "sendmsg", "sendmmsg", "accept", "accept4", "connect"],
];
const AGAIN = [
  ...SOCKET_CALLS,
  ...["read-pipe", "read-inotify", "read-eventfd", "read-timerfd", "read-signalfd"],
  ...["write-pipe", "splice", "tee", "flock", "F_OFD_SETLKW"],
  ...["mq_timedreceive", "mq_timedsend", "msgrcv", "msgsnd", "futex", "futex-timeout"],
  ...["wait4", "waitid", "poll", "ppoll", "select", "pselect6"],
  ...["nanosleep", "clock_nanosleep", "pause", "rt_sigsuspend"],
];
const BROKEN = [
  ...SOCKET_CALLS.map((call) => `${call}-timeout`),
  ...["rt_sigtimedwait", "epoll_wait", "epoll_pwait", "epoll_pwait2"],
  ...["semop", "semtimedop", "io_getevents", "io_uring_enter"],
];

/** Its other thread, when that waits in its call. */
function waitingThread({ pid }: Terminal): number {
  const tid = listTids(pid)?.find((tid) => tid !== pid) ?? 0;
  waitUntil(
    "the thread to wait",
    () => readStat(pid, tid)?.state === "S" && readBlockedCall(pid, tid) !== undefined,
  );
  return tid;
}

/** How often the call has returned EINTR; `undefined` where this machine does not have it. */
function returnsOf(victim: Terminal): number | undefined {
  victim.line("count");
  const [, count] = victim.expect(/returned (\d+):/);
  const unknown = /unknown .*/.exec(victim.output);
  if (unknown !== null) console.log(`Skipped: ${unknown[0].trim()}`);
  return unknown === null ? Number(count) : undefined;
}

function stopAndLeave(pid: number, tid: number): void {
  seize(tid, PTRACE_O_TRACESYSGOOD);
  interrupt(tid);
  assert(waitOut(untilInterrupted(pid, tid, new Deadline(SECONDS))) !== undefined);
  detach(tid);
}

describe("a call whose thread is stopped and then loses its tracer", () => {
  for (const [calls, count, what] of [[AGAIN, 0, "made again"], [BROKEN, 1, "EINTR"]] as const) {
    for (const call of calls) {
      requiresCompiler(`${what}: ${call}`, () => {
        using victim = startVictim("waits", [call]);
        stopAndLeave(victim.pid, waitingThread(victim));
        waitingThread(victim);
        assertEquals(returnsOf(victim) ?? count, count);
      });
    }
  }

  requiresCompiler("is known to break or not, before its thread is stopped", () => {
    if (!isX86_64) return console.log("Skipped: the order of stops is for x86 only");
    for (const [calls, isBreakable] of [[AGAIN, false], [BROKEN, true]] as const) {
      for (const call of calls) {
        using victim = startVictim("waits", [call]);
        const tid = waitingThread(victim);
        const isKnown = breakableOf(victim.pid, [tid]).has(tid);
        // Of a socket it does not show whether it has a time limit: those that might have one are taken for breakable.
        const mayBe = SOCKET_CALLS.includes(call) || call === "splice";
        if (returnsOf(victim) === undefined || (mayBe && isKnown)) continue;
        assertEquals(isKnown, isBreakable, call);
      }
    }
  });

  requiresCompiler("goes on after its repair, in all threads at once", () => {
    using victim = startVictim("waits", [...AGAIN, ...BROKEN]);
    const { pid } = victim;
    const untilAllWait = () =>
      waitUntil(
        "all threads to wait",
        () =>
          listTids(pid)?.every((tid) =>
            readStat(pid, tid)?.state === "S" && readBlockedCall(pid, tid) !== undefined
          ),
      );
    for (let times = 0; times < 3; times++) {
      untilAllWait();
      using _tracee = Tracee.seize(pid, { timeoutSeconds: SECONDS });
    }
    untilAllWait();
    assertEquals(returnsOf(victim) ?? 0, 0);
  });

  requiresCompiler("is in the table of docs/kill-safety.md as measured here", () => {
    const text = Deno.readTextFileSync(join(ROOT, "docs", "kill-safety.md"));
    const rows = text.split("\n").flatMap((line) =>
      /^\| (.+?) +\| (made again|EINTR) +\|$/.exec(line)?.slice(1) ?? []
    );
    const named = (what: string) =>
      rows.flatMap((cell, index) => rows[index + 1] === what ? [cell] : []).join(" ");
    const [again, broken] = [named("made again"), named("EINTR")];
    for (const call of AGAIN) {
      const word = call.replace(/^(read|write|futex)-.*/, "$1");
      assert(new RegExp(`\\b${word}\\b`).test(again), `${call} is not in the table`);
    }
    for (const call of BROKEN.filter((call) => !call.endsWith("-timeout"))) {
      assert(new RegExp(`\\b${call}\\b`).test(broken), `${call} is not in the table`);
    }
    assert(/SO_RCVTIMEO or SO_SNDTIMEO/.test(broken));
  });
});
