/**
 * A signal that a process ignores is queued while the thread that it is sent to is traced, and wakes another one: see
 * releaseThreads() of src/tracee/release.ts. None of those returns EINTR for it that procout attaches to, watches and lets go.
 */
import { assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGINT, SIGWINCH } from "../../src/ffi/constants.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { Procout } from "../support/procout.ts";
import { requires } from "../support/programs.ts";
import { Terminal } from "../support/terminal.ts";
import { startVictim, untilAllBlocked } from "../support/victim.ts";

const TIMES = 10;

/** Each in a thread of its own. */
const CALLS = ["epoll_wait", "accept-timeout", "recvfrom-timeout", "semtimedop", "rt_sigtimedwait"];

describe("signals that a process ignores, and procout watches", () => {
  afterEach(assertNoneLeft);

  requires("cc", "sh")("break no call as it comes, while it is there, and as it goes", () => {
    using victim = startVictim("waits", CALLS);
    const { pid } = victim;
    untilAllBlocked(pid);
    const returned = () => {
      victim.line("count");
      return victim.expect(/returned \d+:.*\./)[0];
    };
    const line = `echo begun; while kill -${SIGWINCH} ${pid}; do :; done`;
    using storm = Terminal.start(["sh", "-c", line]);
    storm.expect("begun");
    for (let times = 1; times <= TIMES; times++) {
      using procout = Procout.watch(pid, ["--engine=ptrace"]);
      assertEquals(returned(), "returned 0:.", `it came, ${times}`);
      assertEquals(returned(), "returned 0:.", `it was there, ${times}`);
      procout.signal(SIGINT);
      procout.expectEnd();
      assertEquals(returned(), "returned 0:.", `it went, ${times}`);
    }
  });
});
