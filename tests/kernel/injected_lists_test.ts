import { assert, assertEquals } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { F_DUPFD_CLOEXEC, SIGHUP } from "../../src/ffi/constants.ts";
import { ERRNO } from "../../src/ffi/errno.ts";
import { readFds } from "../../src/proc/fds.ts";
import { readStatus } from "../../src/proc/status.ts";
import { closeAll } from "../../src/reptyr/move/descriptors/remote_fd.ts";
import {
  exchangeAction,
  getAction,
  ignoring,
  setAction,
} from "../../src/reptyr/move/session/signal_action.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { runToCompletion } from "../../src/tracee/steps.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import { requiresCompiler } from "../support/programs.ts";
import { startVictim, untilBlocked } from "../support/victim.ts";

const OPTIONS = { timeoutSeconds: 10 };

describe("a list of calls that is injected at once", () => {
  requiresCompiler("closes a row of descriptors, and not their neighbours", () => {
    using victim = startVictim("command");
    untilBlocked(victim.pid);
    const before = snapshot(victim.pid);
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      const open = () =>
        readFds(victim.pid, victim.pid)!.map(({ fd }) => fd).filter((fd) => fd >= 20 && fd < 30);
      const dup = (number: number) =>
        assertEquals(remote.syscallOrThrow("fcntl", 0, F_DUPFD_CLOEXEC, number), BigInt(number));
      [20, 21, 22, 24, 25, 27].forEach(dup);
      runToCompletion(closeAll(remote, [25, 21, 22, 24]));
      assertEquals(open(), [20, 27]);
      runToCompletion(closeAll(remote, []));
      runToCompletion(closeAll(remote, [27, 20]));
      assertEquals(open(), []);
      assertEquals(remote.syscall("close", 21), BigInt(-ERRNO.EBADF));
    }
    assertNothingLeft(before);
  });

  requiresCompiler("returns the old signal actions as it replaces them", () => {
    using victim = startVictim("command");
    untilBlocked(victim.pid);
    const before = snapshot(victim.pid);
    const isIgnored = () =>
      (readStatus(victim.pid)!.sigIgnored & (1n << BigInt(SIGHUP - 1))) !== 0n;
    {
      using tracee = Tracee.seize(victim.pid, OPTIONS);
      using remote = RemoteSyscalls.begin(tracee);
      const action = runToCompletion(getAction(remote, SIGHUP));
      for (let times = 0; times < 2; times++) {
        const told = runToCompletion(exchangeAction(remote, SIGHUP, ignoring(remote)));
        assertEquals(told, action);
        assert(isIgnored());
        runToCompletion(setAction(remote, SIGHUP, told));
        assert(!isIgnored());
      }
    }
    assertNothingLeft(before);
    victim.line("hello");
    victim.expect("line: hello");
  });
});
