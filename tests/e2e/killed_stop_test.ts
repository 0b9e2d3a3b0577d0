/** reptyr is killed while it stops a program of many threads that are all in calls which a stop breaks. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readBlockedCall } from "../../src/proc/blocked_call.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import { injecting } from "../support/fault_injection.ts";
import { startOn } from "../support/input_run.ts";
import { isX86_64, requires, requiresThat, victim } from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";

const CALLS = [
  ...["epoll_wait", "epoll_pwait", "rt_sigtimedwait", "semop", "read-timeout"],
  ...["recvfrom-timeout", "sendto-timeout", "accept-timeout", "connect-timeout"],
];
const THREADS = 51;
/** From the first requests to the last before all have stopped. */
const NUMBERS = [3, 30, 61, 92, 125, 158, 190, 222];

function untilAllWait(pid: number): void {
  waitUntil(
    "all threads to wait",
    () =>
      listTids(pid)?.every((tid) =>
        readStatus(pid, tid)?.tracerPid === 0 && readStat(pid, tid)?.state === "S" &&
        readBlockedCall(pid, tid) !== undefined
      ),
  );
}

describe("reptyr is killed while it stops many threads", () => {
  afterEach(assertNoneLeft);

  const test = isX86_64
    ? requires("strace", "cc")
    : requiresThat(false, "these calls are repaired when the threads are let go");
  test("at most one of their calls returns EINTR", () => {
    const calls = Array.from({ length: THREADS }, (_, index) => CALLS[index % CALLS.length]!);
    for (const number of NUMBERS) {
      using target = Target.start(
        "session leader",
        [victim("waits"), ...calls],
        (terminal) => terminal.expect("ready"),
      );
      untilAllWait(target.pid);
      const { argv } = injecting({
        side: "own",
        call: "ptrace",
        error: "SIGKILL",
        first: number,
        last: number,
      }, "/dev/null");
      const { terminal } = startOn([target.pid], { prefix: argv.slice(0, -1) });
      using _ = terminal;
      assertEquals(terminal.expectExit(), { kind: "signaled", signal: 9 }, `request ${number}`);
      untilAllWait(target.pid);
      target.terminal.line("count");
      const [text, count] = target.terminal.expect(/returned (\d+):.*\./);
      assert(Number(count) <= 1, `request ${number}: ${text}`);
    }
  });
});
