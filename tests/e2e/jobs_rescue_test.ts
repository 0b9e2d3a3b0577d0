/** Jobs whose terminal is gone: all of them come to the new one, and nothing but the dead terminal is touched. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGKILL } from "../../src/ffi/constants.ts";
import { type Descriptor, readFds } from "../../src/proc/fds.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { descendantsOf } from "../support/child.ts";
import { assertNoneLeft, RESTLESS, type Shape, SHAPES, Target } from "../support/e2e_target.ts";
import { MovedJob, startOnTerminal, statOf, untilForeground } from "../support/jobs_moved.ts";
import { orDispose } from "../support/or_dispose.ts";
import { requires } from "../support/programs.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

/** The same on x86_64 and aarch64. */
const SIGUSR1 = 10;
const SIGUSR2 = 12;

/**
 * Holds files, sockets, pipes, an event loop and another terminal beside its own; argv: a file for its log, and, if it
 * may mount, a folder where it mounts a devpts of its own. There it makes a terminal with the number that its own has.
 * SIGUSR2 makes it write to the other terminal and tell, in its log, what came out at the master.
 */
const HOLDER = `
import fcntl, os, select, signal, socket, struct, subprocess, sys, tempfile, termios
signal.signal(signal.SIGHUP, signal.SIG_IGN)
data = tempfile.TemporaryFile(); data.write(b"some data"); data.flush(); data.seek(5)
log = open(sys.argv[1], "a")
pipe, pair = os.pipe(), socket.socketpair()
server = socket.socket(socket.AF_UNIX); server.bind("\\0holder-%d" % os.getpid()); server.listen()
null = open("/dev/null"); zero = os.open("/dev/zero", os.O_RDONLY)
epoll = select.epoll(); epoll.register(pipe[0], select.EPOLLIN)
if len(sys.argv) > 2:
    subprocess.run(["mount", "-t", "devpts", "devpts", sys.argv[2]], check=True)
    number = -1  # below: TIOCSPTLCK, TIOCGPTN
    while number != int(os.ttyname(0).rpartition("/")[2]):
        master = os.open(sys.argv[2] + "/ptmx", os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(master, 0x40045431, struct.pack("i", 0))
        number = struct.unpack("i", fcntl.ioctl(master, 0x80045430, bytes(4)))[0]
    slave = os.open("%s/%d" % (sys.argv[2], number), os.O_RDWR | os.O_NOCTTY)
else: master, slave = os.openpty()
def other(*unused):
    os.write(slave, b"other\\n")
    log.write(os.read(master, 100).decode()); log.flush()
signal.signal(signal.SIGUSR2, other)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("ready", flush=True)
signal.sigwait([signal.SIGUSR1])
for line in sys.stdin: print("got", line, end="", flush=True)
`;

/** All but those on its terminal, with where they are, and how. */
function others(pid: number): Omit<Descriptor, "fdinfo">[] {
  return (readFds(pid, pid) ?? []).filter(({ fd }) => fd > 2)
    .map(({ fdinfo, ...descriptor }) => ({
      ...descriptor,
      flags: fdinfo.flags,
      position: /^pos:\t(\d+)$/m.exec(
        Deno.readTextFileSync(`/proc/${pid}/fdinfo/${descriptor.fd}`),
      )?.[1],
    }));
}

describe("a target whose terminal is gone", () => {
  afterEach(assertNoneLeft);

  const holds = (shape: Shape, mountPoint?: string) => {
    const log = Deno.makeTempFileSync({ prefix: "holder-" });
    using cleanup = new DisposableStack();
    cleanup.defer(() => Deno.removeSync(log));
    const argv = ["python3", "-c", HOLDER, log];
    const whole = mountPoint === undefined ? argv : ["unshare", "-m", ...argv, mountPoint];
    using target = Target.start(shape, whole, (terminal) => {
      terminal.expect("ready\r\n");
    }, { snapshot: RESTLESS });
    const { pid, terminal: old } = target;
    untilBlocked(pid);
    old.hangUp();
    if (shape === "foreground job") old.expectExit();
    waitUntil("the terminal to be gone", () => statOf(pid).ttyNr === 0);
    for (const fd of [0, 1, 2]) {
      assertEquals(Deno.readLinkSync(`/proc/${pid}/fd/${fd}`), `${old.device} (deleted)`);
    }
    const before = others(pid);
    assert(before.filter(({ link }) => /^(socket|pipe):/.test(link)).length >= 5);
    const sameNumber = before.filter(({ rdev }) => rdev === readFds(pid, pid)![0]!.rdev);
    assertEquals(sameNumber.length, mountPoint === undefined ? 0 : 1);

    using moved = target.move();
    assertEquals(others(pid), before);
    target.handle.signal(SIGUSR1);
    moved.line("words");
    moved.expect("got words\r\n");
    target.handle.signal(SIGUSR2);
    waitUntil("the log", () => Deno.readTextFileSync(log) === "other\r\n");
    moved.press("^D");
    target.expectEnd(moved, 0);
  };

  for (const shape of SHAPES) {
    requires("python3")(`keeps its files, sockets, pipes and another terminal: ${shape}`, () => {
      holds(shape);
    });

    // While anybody has the slave of a gone terminal open its number is not given away: pty_unix98_remove() in
    // drivers/tty/pty.c. Each devpts has numbers of its own, though.
    requiresCapability(["mountns", "devpts"], requires("python3"))(
      `keeps a terminal of the same number in another devpts: ${shape}`,
      () => {
        const folder = Deno.makeTempDirSync({ prefix: "holder-" });
        using cleanup = new DisposableStack();
        cleanup.defer(() => Deno.removeSync(folder));
        holds(shape, folder);
      },
    );
  }
});

/** A parent with a child in its group, one in a group of its own, and one in a session of its own. */
const FAMILY = `
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
def born(name, leave):
    pid = os.fork()
    if pid: return pid
    leave()
    signal.signal(signal.SIGUSR2, lambda *unused: os.write(1, (name + " here\\n").encode()))
    signal.signal(signal.SIGINT, lambda *unused: os.write(1, (name + " SIGINT\\n").encode()))
    os.write(1, (name + " ready\\n").encode())
    while True: signal.pause()
children = [born("member", lambda: None), born("group", os.setpgrp), born("session", os.setsid)]
signal.signal(signal.SIGINT, lambda *unused: os.write(1, b"parent SIGINT\\n"))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("parent ready", flush=True)
signal.sigwait([signal.SIGUSR1])
for line in sys.stdin:
    if line == "end\\n": break
    for child in children: os.kill(child, signal.SIGUSR2)
for child in children: os.kill(child, signal.SIGKILL)
`;
const NAMES = ["member", "group", "session"];

function startFamily(shape: Shape): { old: Terminal; parent: number; pids: number[] } {
  const old = startOnTerminal(shape, ["python3", "-c", FAMILY]);
  return orDispose(old, () => {
    for (const name of ["parent", ...NAMES]) {
      waitUntil(name, () => old.output.includes(`${name} ready`));
    }
    const parent = shape === "session leader" ? old.pid : descendantsOf(old.pid)[0]!;
    if (shape === "foreground job") untilForeground(parent);
    const pids = [parent, ...descendantsOf(parent)];
    assertEquals(pids.length, 4);
    pids.forEach((pid) => untilBlocked(pid));
    return { old, parent, pids };
  });
}

describe("a job of several whose terminal is gone", () => {
  afterEach(assertNoneLeft);

  function useThere(job: MovedJob, parent: number, moved: Terminal, apart: RegExp): void {
    job.handle(parent).signal(SIGUSR1);
    moved.line("call");
    for (const name of NAMES) moved.expectScreen(`${name} here`);
    moved.press("^C");
    for (const name of ["parent", "member"]) moved.expectScreen(`${name} SIGINT`);
    assert(!apart.test(moved.output), "who was not in the foreground");
    moved.line("end");
    job.expectEnd(moved, 0);
  }

  for (const shape of SHAPES) {
    requires("python3")(`moves as a whole, whatever groups and sessions it has: ${shape}`, () => {
      const { old, parent, pids } = startFamily(shape);
      using _ = old;
      using job = new MovedJob(old, pids, RESTLESS);
      old.hangUp();
      if (shape === "foreground job") old.expectExit();
      waitUntil("the terminal to be gone", () => pids.every((pid) => statOf(pid).ttyNr === 0));
      for (const pid of pids) assertMatch(Deno.readLinkSync(`/proc/${pid}/fd/1`), / \(deleted\)$/);
      using moved = job.move(parent);
      useThere(job, parent, moved, /(group|session) SIGINT/);
    });

    requires("python3")(`moves as a whole, too, when its reptyr was killed: ${shape}`, () => {
      const { old, parent, pids } = startFamily(shape);
      using _ = old;
      using job = new MovedJob(old, pids, RESTLESS);
      using second = job.move(parent);
      second.child.handle.signal(SIGKILL);
      assertEquals(second.expectExit(), { kind: "signaled", signal: SIGKILL });
      waitUntil("its terminal to be gone", () => statOf(parent).ttyNr === 0);
      using moved = job.move(parent);
      // Which of the groups in the old session was in the foreground only that reptyr knew.
      const isKnown = shape === "session leader";
      useThere(job, parent, moved, isKnown ? /(group|session) SIGINT/ : /session SIGINT/);
    });
  }
});
