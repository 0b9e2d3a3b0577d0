/** The stop that the old shell is shown is seen by nobody else: not by the job, not by parents within it. */
import { assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { descendantsOf } from "../support/child.ts";
import { assertNoneLeft, PROMPT, RESTLESS } from "../support/e2e_target.ts";
import { MovedJob, startOnTerminal, statOf } from "../support/jobs_moved.ts";
import { requires } from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

/** Has a child, counts each SIGCHLD, and asks for every change of its child, stops and continuations too. */
const PARENT = `
import os, signal, sys
told = []
def child(*unused):
    told.append("SIGCHLD")
signal.signal(signal.SIGCHLD, child)
pid = os.fork()
if pid == 0:
    while True: signal.pause()
print("ready", flush=True)
for line in sys.stdin:
    told.append("%d %d" % os.waitpid(pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED))
    print("told: " + ", ".join(told), flush=True)
`;

describe("a parent in the job of a shell", () => {
  afterEach(assertNoneLeft);

  requires("python3")("gets no SIGCHLD for its child, while the shell gets its prompt", () => {
    using old = startOnTerminal("foreground job", ["python3", "-c", PARENT]);
    old.expect("ready\r\n");
    const [parent, child] = descendantsOf(old.pid);
    waitUntil("the foreground", () => statOf(parent!).tpgid === parent);
    [parent!, child!].forEach((pid) => untilBlocked(pid));
    using job = new MovedJob(old, [parent!, child!], RESTLESS);
    using moved = job.move(parent!);
    old.expect(PROMPT);
    moved.line("");
    assertEquals(moved.expect(/told: .*\r\n/)[0], "told: 0 0\r\n");
    moved.press("^C");
    job.expectEnd(moved, 130);
  });
});
