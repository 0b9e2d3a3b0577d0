/**
 * What would wait for the server of a file system, which a move stops or which never answers: the descriptors that -s
 * replaces, what reptyr and procout write themselves, members in the middle of a request.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGINT } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { ProcessHandle } from "../support/child.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { DESPITE_INSISTING, injecting } from "../support/fault_injection.ts";
import {
  FuseServer,
  MountPoint,
  requiresFuse,
  Served,
  served,
  type ServerOptions,
} from "../support/fuse.ts";
import {
  isMoved,
  linesOf,
  Moved,
  refused,
  settingsOf,
  startOn,
  Untouched,
  WIDE,
} from "../support/input_run.ts";
import { describeEngines, Procout } from "../support/procout.ts";
import { requires, victim, victimScript } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { NOBODY } from "../support/users.ts";
import { untilBlocked } from "../support/victim.ts";

const FUSE = ["mountns", "fuse", "users"] as const;
const withPython = requiresCapability(FUSE, requires("python3", "bash", "cc"));
const withStrace = requiresCapability(FUSE, requires("python3", "bash", "cc", "strace"));

const SIGUSR1 = 10;
const STDIO = victimScript("stdio.py");

/** A program whose descriptor 0 is a file on such a file system. */
class Reading implements Disposable {
  readonly terminal: Terminal;
  readonly server: FuseServer;
  readonly pid: number;
  readonly handle: ProcessHandle;
  readonly #cleanup: DisposableStack;

  constructor(options: ServerOptions) {
    using cleanup = new DisposableStack();
    const folder = cleanup.use(new MountPoint());
    const argv = ["bash", "-c", 'exec python3 "$0" <&10 10<&-', STDIO];
    this.terminal = cleanup.use(Terminal.start(served(folder.path, options, argv)));
    this.server = cleanup.use(new FuseServer(this.terminal));
    this.pid = readStat(this.server.pid)!.ppid;
    this.handle = cleanup.use(new ProcessHandle(this.pid));
    waitUntil("the program", () => readStat(this.pid)?.comm === "stdio");
    untilBlocked(this.pid);
    this.#cleanup = cleanup.move();
  }

  /** It is on a new terminal, and answers there. */
  assertMoved(before: number, terminal: Terminal): void {
    waitUntil("the move", () => isMoved(this.pid, before));
    this.handle.signal(SIGUSR1);
    terminal.expect("ready");
    terminal.line("hello");
    terminal.expect("line: hello");
    terminal.line("exit 7");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 7 }, terminal.describe());
  }

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}

describe("reptyr -s, where standard input is on a file system that a program serves", () => {
  afterEach(assertNoneLeft);

  for (const options of ["none", "busy", `user=${NOBODY}`] as const) {
    withPython(`the program reads the terminal instead: ${options}`, () => {
      using reading = new Reading(options);
      const before = readStat(reading.pid)!.ttyNr;
      using terminal = startOn(["-s", reading.pid]).terminal;
      reading.assertMoved(before, terminal);
    });
  }

  withPython("a server that is a member is named, and the job can be moved without -s", () => {
    using reading = new Reading("member");
    const all = [reading.pid, reading.server.pid].map((pid) => new Untouched(pid));
    const [what, remedy] = refused(["-s", reading.pid]);
    assertMatch(
      what!,
      new RegExp(`descriptor 0 of process ${reading.pid}: .*process ${reading.server.pid} of its`),
    );
    assertMatch(remedy!, new RegExp(`run: reptyr ${reading.pid}$`));
    for (const one of all) one.assert();
    using moved = Moved.to(reading.pid);
    assertEquals(Deno.statSync(`/proc/${reading.pid}/fd/0`).ino, 2);
    reading.server.end();
    reading.handle.signal(SIGUSR1);
    moved.terminal.expect(/ready|end of file|Error/);
  });

  withPython("a server that never answers is reported within --timeout", () => {
    using reading = new Reading("none");
    const before = new Untouched(reading.pid);
    reading.server.silence();
    const [what] = refused(["-s", "--timeout=1", reading.pid]);
    assertMatch(
      what!,
      /descriptor 0 of process \d+: .*\/file is on a file system that does not answer/,
    );
    before.assert();
    reading.server.end();
  });

  withStrace("has its file back when the move fails after that", () => {
    using reading = new Reading("none");
    const before = new Untouched(reading.pid);
    const log = Deno.makeTempFileSync();
    using _log = { [Symbol.dispose]: () => Deno.removeSync(log) };
    const fault = { side: "injected", call: "ioctl", error: "EPERM", first: 1 } as const;
    const { argv, env } = injecting({ ...fault, last: DESPITE_INSISTING }, log);
    using terminal = new Terminal({ ...WIDE, env: { ...WIDE.env, ...env } });
    terminal.spawn([...argv, "-s", String(reading.pid)]);
    assertEquals(terminal.expectExit(), { kind: "exited", status: 1 }, terminal.describe());
    assertMatch(Deno.readTextFileSync(log), /ioctl/);
    before.assert();
  });
});

describe("reptyr whose messages go to a file that a member of the job serves", () => {
  afterEach(assertNoneLeft);

  requiresFuse("moves the job, and writes its messages after releasing all members", () => {
    using folder = new MountPoint();
    const words = served(folder.path, "member", [victim("command")]);
    using job = Terminal.start(words, { label: "old" });
    using server = new FuseServer(job);
    job.expect("ready");
    const { ppid: pid } = readStat(server.pid)!;
    const file = `/proc/${pid}/root${folder.path}/file`;
    const prefix = ["bash", "-c", `exec "$0" "$@" 2>>${file}`];
    using moved = Moved.to(pid, { args: ["-V"], prefix });
    moved.terminal.expect(/written: \d+/);
    moved.terminal.line("hello");
    moved.terminal.expect("line: hello");
    moved.terminal.line("exit 9");
    moved.expectEnd(9);
  });
});

/** What stands in front of the PID, for a state that no timeout ends in a test. */
const PATIENT = "--timeout=1000";

describe("a job with a member that waits for a server which never answers", () => {
  afterEach(assertNoneLeft);

  function start(): Served {
    const served = new Served("busy");
    served.server.silence();
    return served;
  }

  /** All goes on where it was, once the server has ended. */
  function assertGoesOn(served: Served): void {
    served.server.end();
    served.terminal.line("hello");
    served.terminal.expect("line: hello");
  }

  requiresFuse("is released at ^C", () => {
    using served = start();
    const before = new Untouched(served.pid);
    const { terminal, settings } = startOn([PATIENT, served.pid]);
    using _ = terminal;
    terminal.expect(/waiting for thread \d+ of \d+ \(state [SD].*; \^C gives up\r\n/);
    terminal.press("^C");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 130 }, terminal.describe());
    assertEquals(settingsOf(terminal), settings);
    assertMatch(linesOf(terminal.output).at(-1)!, /^reptyr: Given up after SIGINT/);
    before.assert();
    assertGoesOn(served);
  });

  requiresFuse("is released after --timeout", () => {
    using served = start();
    const before = new Untouched(served.pid);
    const { terminal, settings } = startOn(["--timeout=1", served.pid]);
    using _ = terminal;
    assertEquals(terminal.expectExit(), { kind: "exited", status: 1 }, terminal.describe());
    assertEquals(settingsOf(terminal), settings);
    assertMatch(
      terminal.output,
      /Cannot stop process \d+: thread \d+ is in state .* within 1 s\r\n/,
    );
    before.assert();
    assertGoesOn(served);
  });
});

describeEngines("procout whose file is on the file system of a process that it watches", () => {
  afterEach(assertNoneLeft);

  /** With `file`, the only one there. */
  class Served extends DisposableStack {
    readonly #folder = this.use(new MountPoint());
    readonly terminal = this.use(
      Terminal.start(served(this.#folder.path, "member", [victim("command")]), { label: "old" }),
    );
    readonly server = this.use(new FuseServer(this.terminal)).pid;
    readonly pid = readStat(this.server)!.ppid;
    readonly file = `/proc/${this.pid}/root${this.#folder.path}/file`;
  }

  requiresFuse("is refused with the reason", () => {
    using job = new Served();
    job.terminal.expect("ready");
    using procout = Procout.start(["-o", job.file, job.server]);
    procout.expectEnd(1);
    assertMatch(procout.stderr, /what this procout writes passes through it/);
    assertMatch(procout.stderr, /on a file system that the process does not serve/);
    job.terminal.line("hello");
    job.terminal.expect("line: hello");
  });

  requiresFuse("leaves that process out when it is a child, and mirrors the others", () => {
    using job = new Served();
    job.terminal.expect("ready");
    using procout = Procout.watch(job.pid, ["-f", "-o", job.file]);
    const left = `Not watched, as the mirror passes through: ${job.server} `;
    assert(procout.stderr.includes(left), procout.stderr);
    job.terminal.line("hello");
    job.terminal.expect("line: hello");
    job.terminal.expect(/written: \d+/);
    procout.signal(SIGINT);
    procout.expectEnd(0);
  });
});
