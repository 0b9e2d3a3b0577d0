/** `reptyr -s PID`: descriptors 0 to 2 come to the new terminal whatever they are. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { join } from "@std/path";
import { readFds } from "../../src/proc/fds.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { lacks, requiresCapability } from "../support/capabilities.ts";
import { type Child, childrenOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, PROMPT, SHELL } from "../support/e2e_target.ts";
import {
  AS_NOBODY,
  assertMessage,
  isMoved,
  linesOf,
  NOBODY,
  refused,
  type RunOptions,
  startDetached,
  startOn,
  Untouched,
} from "../support/input_run.ts";
import { living } from "../support/jobs_moved.ts";
import { requires, victimScript } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

const SIGUSR1 = 10;
const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const VICTIM = victimScript("stdio.py");

const withPython = requires("python3", "bash");
const asNobody = requiresCapability(["users", "attach"], withPython);
const inMountNamespace = requiresCapability("mountns", withPython);

let folder: string;

/** Wait until the victim waits for its signal. */
function untilReady(pid: number): void {
  waitUntil("the victim", () => readStat(pid)?.comm === "stdio");
  untilBlocked(pid);
}

/** What is open from 3 on, and what it does about signals. */
function rest(pid: number): string {
  const fds = (readFds(pid, pid) ?? []).filter(({ fd }) => fd > 2);
  const status = readStatus(pid);
  return [
    ...fds.map(({ fd, link, fdinfo }) => `${fd} ${link} ${fdinfo.flags}`),
    `children ${childrenOf(pid)}`,
    `signals ${status?.sigBlocked} ${status?.sigPending} ${status?.sharedPending}`,
    Deno.readTextFileSync(`/proc/${pid}/maps`).replace(/^.*\[(stack|heap)\]$/gm, ""),
  ].join("\n");
}

/** Those of its descriptors 0 to 2 that are no terminals. */
function pipesOf(pid: number): string[] {
  return (readFds(pid, pid) ?? []).filter(({ fd, link }) => fd <= 2 && !link.startsWith("/dev/"))
    .map(({ fd, link }) => `${fd} ${link}`);
}

/** Move the victim, wake it, ask it where it is, and end it. `modes`: of fds 0 to 2. */
function moveAndAsk(
  pid: number,
  modes: readonly number[] = [O_RDWR, O_RDWR, O_RDWR],
  options: RunOptions = {},
): void {
  using handle = new ProcessHandle(pid);
  const before = rest(pid);
  const oldTty = readStat(pid)?.ttyNr ?? 0;
  using moved = startOn(["-s", pid], options).terminal;
  waitUntil(`process ${pid} to be moved`, () => {
    assert(moved.child.status === undefined, moved.describe());
    return isMoved(pid, oldTty);
  });
  assertEquals(rest(pid), before);
  handle.signal(SIGUSR1);
  moved.expect("ready\r\n");
  moved.line("report");
  const [, names, flags] = moved.expect(
    /terminals (.*), modes \[(.*)\], leads True, foreground True\./,
  );
  assertEquals(flags, modes.join(", "));
  assertEquals(new Set(names!.split(" ")).size, 1);
  assertEquals((readFds(pid, pid) ?? []).filter(({ fd }) => fd <= 2).length, 3);
  moved.line("hello");
  moved.expect("line: hello");
  moved.line("exit 7");
  assertEquals(moved.expectExit(), { kind: "exited", status: 7 }, moved.describe());
}

describe("reptyr -s", () => {
  beforeEach(() => {
    folder = Deno.makeTempDirSync({ prefix: "reptyr-stdio-" });
  });
  afterEach(() => {
    Deno.removeSync(folder, { recursive: true });
    assertNoneLeft();
  });

  withPython("a daemon with files, which leads a session without terminal", () => {
    const log = join(folder, "log");
    Deno.writeTextFileSync(log, "old\n");
    using daemon = startDetached(["bash", "-c", `exec python3 "$0" 2>>"$1" >>"$1"`, VICTIM, log]);
    untilReady(daemon.pid);
    moveAndAsk(daemon.pid);
    assertEquals(Deno.readTextFileSync(log), "old\n");
  });

  withPython("a session leader that has no descriptor of its controlling terminal", () => {
    const log = join(folder, "log");
    using old = Terminal.start(
      ["bash", "-c", `exec python3 "$0" <"$0" >>"$1" 2>>"$1"`, VICTIM, log],
    );
    untilReady(old.pid);
    moveAndAsk(old.pid);
    old.expectEof();
  });

  inMountNamespace("a session leader with another terminal of that name in /dev", () => {
    const log = join(folder, "log");
    using other = new Terminal();
    const script = `mount --bind ${other.device} "$2" && exec python3 "$0" <"$0" >>"$1" 2>>"$1"`;
    using old = new Terminal();
    old.spawn(["unshare", "-m", "bash", "-c", script, VICTIM, log, old.device]);
    untilReady(old.pid);
    moveAndAsk(old.pid);
    old.expectEof();
  });

  asNobody("a session leader whose user cannot open the terminal's other end", () => {
    Deno.chmodSync(folder, 0o777);
    const victim = join(folder, "stdio.py");
    Deno.copyFileSync(VICTIM, victim);
    using old = new Terminal();
    Deno.chownSync(old.device, NOBODY, null);
    const script = `exec python3 "$0" <"$0" >>"$1" 2>>"$1"`;
    old.spawn([...AS_NOBODY, "bash", "-c", script, victim, join(folder, "log")]);
    untilReady(old.pid);
    moveAndAsk(old.pid, undefined, { prefix: AS_NOBODY, owner: NOBODY });
    old.expectEof();
  });

  for (const closed of [["0"], ["1", "2"], ["0", "1", "2"]]) {
    withPython(`a daemon that has closed ${closed.join(", ")}`, () => {
      using daemon = startDetached(["python3", VICTIM, ...closed]);
      untilReady(daemon.pid);
      moveAndAsk(daemon.pid);
    });
  }

  withPython("pipes and sockets, nonblocking as they were", () => {
    const program = "import os, socket, sys\n" +
      "a, b = socket.socketpair()\na.setblocking(False)\nr, w = os.pipe()\n" +
      "os.dup2(a.fileno(), 0)\nos.dup2(w, 1)\nos.dup2(w, 2)\nos.set_inheritable(b.fileno(), True)\n" +
      "os.execvp('python3', ['python3', sys.argv[1]])";
    using daemon = startDetached(["python3", "-c", program, VICTIM]);
    untilReady(daemon.pid);
    using handle = new ProcessHandle(daemon.pid);
    const oldTty = readStat(daemon.pid)!.ttyNr;
    using moved = startOn(["-s", daemon.pid]).terminal;
    waitUntil("the move", () => isMoved(daemon.pid, oldTty));
    const flags = (readFds(daemon.pid, daemon.pid) ?? []).slice(0, 3).map(({ fdinfo }) =>
      fdinfo.flags & (O_NONBLOCK | 3)
    );
    assertEquals(flags, [O_RDWR | O_NONBLOCK, O_RDWR, O_RDWR]);
    handle.signal(SIGUSR1);
    moved.expect("ready");
  });

  withPython("a mere member of a session without terminal, as of cron", () => {
    const script = `cat <"$1" | python3 "$0"; exit 3`;
    using shell = startDetached(["bash", "-c", script, VICTIM, "/dev/zero"]);
    const python = waitUntil(
      "python3",
      () => childrenOf(shell.pid).find((pid) => readStat(pid)?.comm === "stdio"),
    );
    untilReady(python);
    moveAndAsk(python);
    waitUntil("the shell to end", () => shell.status);
  });

  withPython("a background job of a shell, with everything redirected", () => {
    using old = Terminal.start(SHELL, { label: "old" });
    old.expect(PROMPT);
    old.line(`python3 ${VICTIM} </dev/null >${folder}/log 2>&1 &`);
    old.expect(/\[1\] \d+/);
    const python = waitUntil("the job", () => childrenOf(old.pid)[0]);
    untilReady(python);
    assertStringIncludes(refused([python]).join("\n"), `reptyr --force-stdio ${python}`);
    moveAndAsk(python);
    old.line("echo 'still' here");
    old.expect("still here");
    old.line("wait; jobs; echo 'all' done");
    old.expect("all done");
  });

  withPython("a session leader on a terminal, with everything redirected", () => {
    const log = join(folder, "log");
    using old = Terminal.start(
      ["bash", "-c", `exec python3 "$0" </dev/null >"$1" 2>&1`, VICTIM, log],
      { label: "old" },
    );
    untilReady(old.pid);
    assert(readStat(old.pid)!.ttyNr !== 0);
    moveAndAsk(old.pid);
    old.expectEof();
    assertEquals(Deno.readTextFileSync(log), "");
  });

  withPython("only the named process of a pipeline", () => {
    using old = Terminal.start(SHELL, { label: "old" });
    old.expect(PROMPT);
    old.line(`sleep 1000 | python3 ${VICTIM} | cat`);
    const pids = waitUntil("the job", () => {
      const children = childrenOf(old.pid);
      const names = children.map((pid) => readStat(pid)?.comm);
      return names.join() === "sleep,stdio,cat" && children;
    });
    untilReady(pids[1]!);
    const before = pipesOf(pids[0]!);
    using handle = new ProcessHandle(pids[1]!);
    const oldTty = readStat(pids[1]!)!.ttyNr;
    using moved = startOn(["-s", pids[1]!]).terminal;
    waitUntil("the move", () => isMoved(pids[1]!, oldTty));
    old.expect(PROMPT);
    assertEquals(pipesOf(pids[0]!), before);
    waitUntil(
      "what reads from it to see the end of its pipe",
      () => living([pids[2]!]).length === 0,
    );
    handle.signal(SIGUSR1);
    moved.expect("ready");
    moved.press("^C");
    assertEquals(moved.expectExit(), { kind: "exited", status: 130 }, moved.describe());
  });

  withPython("with -1, the other processes of the pipeline keep the terminal", () => {
    using old = Terminal.start(SHELL, { label: "old" });
    old.expect(PROMPT);
    old.line(`sleep 1000 | python3 ${VICTIM} </dev/null`);
    const pids = waitUntil("the job", () => {
      const children = childrenOf(old.pid);
      return children.map((pid) => readStat(pid)?.comm).join() === "sleep,stdio" && children;
    });
    untilReady(pids[1]!);
    const sleep = new Untouched(pids[0]!);
    using handle = new ProcessHandle(pids[1]!);
    const oldTty = readStat(pids[1]!)!.ttyNr;
    using moved = startOn(["-1s", pids[1]!]).terminal;
    waitUntil("the move", () => isMoved(pids[1]!, oldTty));
    sleep.assert();
    handle.signal(SIGUSR1);
    moved.expect("ready");
    moved.line("exit 7");
    assertEquals(moved.expectExit(), { kind: "exited", status: 7 }, moved.describe());
    old.press("^C");
    old.expect(PROMPT);
  });

  const EPOLL = `
import os, select
r, w = os.pipe()
os.dup2(r, 0); os.close(r)
poll = select.epoll()
poll.register(0, select.EPOLLIN)
open("/proc/self/comm", "w").write("stdio")
os.write(2, b"go\\n")
while True:
    for fd, _ in poll.poll():
        line = os.read(fd, 4096).decode().strip()
        os.write(1, f"from {fd}: {line}\\n".encode())
        if line == "exit": os._exit(4)
`;
  withPython("epoll interests in a replaced pipe go with its number", () => {
    using old = Terminal.start(["python3", "-c", EPOLL], { label: "old" });
    old.expect("go");
    untilReady(old.pid);
    const oldTty = readStat(old.pid)!.ttyNr;
    using moved = startOn(["-s", old.pid]).terminal;
    waitUntil("the move", () => isMoved(old.pid, oldTty));
    moved.line("hello");
    moved.expect("from 0: hello");
    moved.line("exit");
    assertEquals(moved.expectExit(), { kind: "exited", status: 4 }, moved.describe());
  });

  withPython("a process near its limit of open files is moved, or left as it was", () => {
    const outcomes: string[] = [];
    for (let limit = 4; limit <= 16; limit++) {
      using daemon = startDetached(["python3", VICTIM, "1"]);
      untilReady(daemon.pid);
      limitFiles(daemon, limit);
      const before = new Untouched(daemon.pid);
      const { terminal } = startOn(["-s", daemon.pid]);
      using _ = terminal;
      const outcome = waitUntil(
        "a move or a refusal",
        () => terminal.child.status === undefined ? isMoved(daemon.pid, 0) && "moved" : "refused",
      );
      outcomes.push(outcome);
      if (outcome === "moved") continue;
      assertMessage(linesOf(terminal.output));
      assertMatch(
        terminal.output,
        /RLIMIT_NOFILE \(\d+, the hard limit\); moving needs \d+ more desc/,
      );
      before.assert();
    }
    assertEquals(outcomes, outcomes.toSorted().toReversed());
    // With CAP_SYS_RESOURCE root raises the hard limit.
    const first = lacks("sys_resource") === undefined ? "moved" : "refused";
    assertEquals([outcomes[0], outcomes.at(-1)], [first, "moved"]);
  });

  const faults: [string, string, number | string][] = [
    ["pidfd_getfd", "EPERM", 1],
    ["pidfd_getfd", "EMFILE", 1],
    ["sendmsg", "EPERM", "1..2"],
    ["ptrace", "EPERM", "1..10"],
    ["ptrace", "EIO", "5..6"],
  ];
  for (const [call, error, when] of faults) {
    requires("python3", "strace")(`all is as it was when call ${when} of ${call} fails`, () => {
      using daemon = startDetached(["python3", VICTIM, "0"]);
      untilReady(daemon.pid);
      const before = new Untouched(daemon.pid);
      const prefix = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"];
      prefix.push("-e", `trace=${call}`, "-e", "signal=none");
      prefix.push("-e", `inject=${call}:error=${error}:when=${when}`);
      refused(["-s", daemon.pid], { prefix });
      before.assert();
      moveAndAsk(daemon.pid);
    });
  }
});

function limitFiles({ pid }: Child, limit: number): void {
  const { success } = new Deno.Command("prlimit", {
    args: [`--pid=${pid}`, `--nofile=${limit}:${limit}`],
  }).outputSync();
  assert(success);
}
