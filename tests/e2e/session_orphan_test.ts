/** Targets that have lost their terminal, or the shell that led their session. */
import { assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGKILL } from "../../src/ffi/constants.ts";
import { assertNoneLeft, RESTLESS, Target } from "../support/e2e_target.ts";
import { requires } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

/**
 * Ignores SIGHUP and holds a file, a pipe and a socket. It reads its terminal only once it has been told to
 * by tells how many SIGCHLD came and which children there are, and says every line back.
 */
const SURVIVOR = `
import os, signal, socket, sys
children = 0
def child(*unused):
    global children
    children += 1
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, child)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
kept = os.open("/etc/passwd", os.O_RDONLY)
ends, pair = os.pipe(), socket.socketpair()
print("ready", flush=True)
signal.sigwait([signal.SIGUSR1])
try:
    os.waitpid(-1, os.WNOHANG)
    left = "some"
except ChildProcessError:
    left = "none"
pair[0].send(b"s"); os.write(ends[1], b"p")
held = pair[1].recv(1) + os.read(ends[0], 1) + os.read(kept, 5)
print("SIGCHLD %d, children %s, held %s" % (children, left, held.decode()), flush=True)
for line in sys.stdin:
    print("line: " + line, end="", flush=True)
print("end of file", flush=True)
`;

const ARGV = ["python3", "-c", SURVIVOR];

/** The same on x86_64 and aarch64. */
const SIGUSR1 = 10;

const READY = (terminal: { expect(pattern: string): unknown }) => {
  terminal.expect("ready\r\n");
};

describe("an orphaned target", () => {
  afterEach(assertNoneLeft);

  function useThere(target: Target): void {
    using moved = target.move();
    target.handle.signal(SIGUSR1);
    moved.expect("SIGCHLD 0, children none, held sproot:\r\n");
    moved.line("a line");
    moved.expect("a line\r\nline: a line\r\n");
    moved.press("^D");
    moved.expect("end of file\r\n");
    target.expectEnd(moved, 0);
  }

  requires("python3")("whose terminal is gone, as it led its session", () => {
    using target = Target.start("session leader", ARGV, READY, { snapshot: RESTLESS });
    target.terminal.hangUp();
    waitUntil("the terminal to be gone", () => target.stat.ttyNr === 0);
    useThere(target);
  });

  requires("python3", "bash")("whose terminal is gone, and its shell with it", () => {
    using target = Target.start("foreground job", ARGV, READY, { snapshot: RESTLESS });
    target.terminal.hangUp();
    target.terminal.expectExit();
    waitUntil("the terminal to be gone", () => target.stat.ttyNr === 0);
    assertMatch(Deno.readLinkSync(`/proc/${target.pid}/fd/0`), /\(deleted\)$/);
    useThere(target);
  });

  // The leader's end takes the terminal from the session; the group has the number of none that lives.
  requires("python3", "bash")("whose shell was killed, on a terminal that is still there", () => {
    using target = Target.start("foreground job", ARGV, READY, { snapshot: RESTLESS });
    const { session } = target.stat;
    assertEquals(session, target.shell);
    target.terminal.child.handle.signal(SIGKILL);
    assertEquals(target.terminal.expectExit(), { kind: "signaled", signal: SIGKILL });
    assertEquals(target.stat.session, session);
    useThere(target);
    target.terminal.expectEof();
  });

  requires("python3", "bash", "setsid")(
    "that leads a session without a terminal of its own",
    () => {
      const script = 'setsid "$@" <&1 & echo "<$!>"; exec cat';
      using other = Terminal.start(["bash", "-c", script, "bash", ...ARGV]);
      // Which of the two says its line first is open.
      const pid = waitUntil(
        "both",
        () => other.output.includes("ready\r\n") && Number(/<(\d+)>\r\n/.exec(other.output)?.[1]),
      );
      using target = Target.of(other, pid, { snapshot: RESTLESS });
      const { session, ttyNr } = target.stat;
      assertEquals([session, ttyNr], [pid, 0]);
      useThere(target);
    },
  );
});
