import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { afterEach, describe, it } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft, SHAPES, Target } from "../support/e2e_target.ts";
import {
  isMoved,
  linesOf,
  Moved,
  refused,
  settingsOf,
  startOn,
  Untouched,
} from "../support/input_run.ts";
import { procoutPath } from "../support/procout.ts";
import { requires } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Script, start } from "../support/scripts_run.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

const withPrlimit = requires("prlimit");

/** A user that nobody is, so that all its processes are those of one test. */
const USER = 61_000 + Deno.pid % 3000;

/** Runs the words after it as that user. */
const AS_USER = ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"];

const asOtherUser = requiresCapability(["users", "attach"], requires("prlimit", "setpriv"));

function output(argv: readonly string[]): string {
  const [command, ...args] = argv;
  const { success, stdout, stderr } = new Deno.Command(command!, { args }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

function startCat(): Target {
  return start("foreground job", "exec cat");
}

describe("reptyr with few open files", () => {
  afterEach(assertNoneLeft);

  // The runtime itself needs 12.
  for (const soft of [12, 13, 16, 20, 24, 28, 32]) {
    withPrlimit(`raises its soft limit, ${soft}, up to the hard limit`, () => {
      using target = startCat();
      using moved = Moved.to(target.pid, { prefix: ["prlimit", `--nofile=${soft}:512`] });
      moved.terminal.line("hello");
      moved.terminal.expect("hello\r\nhello\r\n");
      moved.terminal.press("^D");
      moved.expectEnd(0);
    });
  }

  for (const hard of [12, 13, 16, 24, 32, 63]) {
    withPrlimit(`says that ${hard} are not enough, with the target untouched`, () => {
      using target = startCat();
      const untouched = new Untouched(target.pid);
      assertEquals(refused([target.pid], { prefix: ["prlimit", `--nofile=${hard}`] }), [
        `RLIMIT_NOFILE of this program is ${hard}: it needs 64 open files`,
        "Raise it where this program is started: ulimit -n 64",
      ]);
      untouched.assert();
    });
  }

  withPrlimit("asks for more open files when the job is large", () => {
    const line = `for i in $(seq 40); do sleep 1000 & done; echo all; cat`;
    using target = start("session leader", line);
    waitUntil("the job", () => readStat(target.pid)?.state === "S");
    target.terminal.expect("all");
    const lines = refused([target.pid], { prefix: ["prlimit", "--nofile=100"] });
    assertEquals(lines.at(-1), "Raise it where this program is started: ulimit -n 216");
    using moved = Moved.to(target.pid, { prefix: ["prlimit", "--nofile=216"] });
    moved.terminal.line("hello");
    moved.terminal.expect("hello\r\nhello\r\n");
  });

  withPrlimit("answers --version and --help by either name", () => {
    for (const [name, program] of [["reptyr", reptyrPath], ["procout", procoutPath]] as const) {
      for (const option of ["--version", "--help"]) {
        assertStringIncludes(output(["prlimit", "--nofile=12:512", program, option]), name);
      }
    }
  });
});

describe("a program that reptyr or procout starts", () => {
  afterEach(assertNoneLeft);

  const LIMITS = ["--nofile=40:4000", "--stack=1048576:33554432", "--nproc=4000:5000"];
  const ASK = "ulimit -Sn; ulimit -Hn; ulimit -Ss; ulimit -Hs; grep SigIgn /proc/self/status";

  /** What ASK gives, without the two signals that are the C library's own. */
  function answer(text: string): string[] {
    return linesOf(text).map((line) => {
      const [, ignored] = /^SigIgn:\t(\w+)$/.exec(line) ?? [];
      return ignored === undefined ? line : `${BigInt(`0x${ignored}`) & 0x7fff_ffffn}`;
    });
  }

  /** The same without anything of ours between. */
  function expected(): string[] {
    return answer(output(["prlimit", ...LIMITS, "sh", "-c", ASK]));
  }

  for (const place of ["-l", "-L"]) {
    withPrlimit(`has the limits that reptyr was started with: ${place}`, () => {
      using terminal = Terminal.start(["prlimit", ...LIMITS, reptyrPath, place, "sh", "-c", ASK]);
      assertEquals(terminal.expectExit(), { kind: "exited", status: 0 });
      const [, ...lines] = answer(terminal.output);
      assertEquals(lines, expected());
    });
  }

  withPrlimit("has the limits that procout was started with", () => {
    for (const options of [["-o", "/dev/null"], []]) {
      const words = ["prlimit", ...LIMITS, procoutPath, "--engine=ptrace", ...options, "--"];
      assertEquals(answer(output([...words, "sh", "-c", ASK])), expected());
    }
  });

  withPrlimit("dies of SIGXFSZ, unlike reptyr", () => {
    const file = Deno.makeTempFileSync();
    try {
      const script = `ulimit -c 0; head -c 100000 /dev/zero >${file}; echo $?`;
      const words = ["prlimit", "--fsize=1024", reptyrPath, "-L", "sh", "-c", script];
      using terminal = Terminal.start(words);
      assertEquals(terminal.expectExit(), { kind: "exited", status: 0 });
      assertEquals(linesOf(terminal.output).at(-1), "153");
    } finally {
      Deno.removeSync(file);
    }
  });
});

describe("reptyr that may not write files", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    withPrlimit(`moves a program all the same: ${shape}`, () => {
      using target = start(shape, "cat; exit 3");
      using moved = Moved.to(target.pid, { prefix: ["prlimit", "--fsize=0"] });
      moved.terminal.line("hello");
      moved.terminal.expect("hello\r\nhello\r\n");
      moved.terminal.press("^D");
      moved.expectEnd(3);
    });
  }

  withPrlimit("drops output beyond its limit of file size", () => {
    using target = startCat();
    const folder = Deno.makeTempDirSync({ prefix: "reptyr-limits-" });
    try {
      const log = join(folder, "log");
      // There from the start: it is read before the shell has opened it.
      Deno.writeTextFileSync(log, "");
      const line = `exec prlimit --fsize=10 "$0" "$1" >>"$2"`;
      using script = Script.run(["sh", "-c", line, reptyrPath, `${target.pid}`, log]);
      script.write("12345\n");
      waitUntil("the line", () => Deno.readTextFileSync(log) === "12345\n");
      script.write("123456\n");
      script.endInput();
      script.expectEnd(
        0,
        "reptyr: cannot write standard output: file too large (EFBIG); " +
          "output is dropped until it takes bytes again\n" +
          "reptyr: 3 bytes of output were dropped\n",
      );
      assertEquals(Deno.readTextFileSync(log), "12345\n1234");
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
});

describe("reptyr of a user at the quota of processes", () => {
  afterEach(assertNoneLeft);

  const MOST = 40;

  asOtherUser("reptyr refuses in one line, or has every thread that it needs", () => {
    const argv = [...AS_USER, "sh", "-c", "echo ready; exec cat"];
    using target = Target.start("session leader", argv, (terminal) => terminal.expect("ready"));
    const untouched = new Untouched(target.pid, "cat");
    const oldTty = readStat(target.pid)!.ttyNr;
    let refusals = 0;
    for (let most = 2; most < MOST; most++) {
      const { terminal, settings } = startOn([target.pid], {
        prefix: [...AS_USER, "prlimit", `--nproc=${most}`],
        owner: USER,
      });
      using _ = terminal;
      waitUntil("a move, or none", () => {
        return isMoved(target.pid, oldTty) || terminal.child.status !== undefined;
      });
      if (terminal.child.status !== undefined) {
        assertEquals(settingsOf(terminal), settings);
        untouched.assert();
        // The engine that we are written for needs threads itself, before our first line.
        if (terminal.output.includes("Check failed: Start()")) continue;
        refusals++;
        assertStringIncludes(terminal.output, "Cannot start a thread: the user has as many proc");
        assertEquals(linesOf(terminal.output).length, 2, terminal.output);
        assertEquals(terminal.child.status, { kind: "exited", status: 1 });
        continue;
      }
      assertServes(terminal);
      terminal.press("^D");
      assertEquals(terminal.expectExit(), { kind: "exited", status: 0 });
      assert(refusals > 0, "No quota was one too few");
      return;
    }
    throw new Error(`Not moved with ${MOST} processes`);
  });

  asOtherUser("procout refuses in one line, or has every thread that it needs", () => {
    const argv = [...AS_USER, "sh", "-c", "echo ready; exec cat"];
    using target = Terminal.start(argv);
    target.expect("ready");
    const untouched = new Untouched(target.pid, "cat");
    let refusals = 0;
    for (let most = 2; most < MOST; most++) {
      const prefix = [...AS_USER, "prlimit", `--nproc=${most}`];
      using mirror = new Terminal({ env: { NO_COLOR: "1" } });
      Deno.chownSync(mirror.device, USER, null);
      mirror.spawn([...prefix, procoutPath, "-V", "--engine=ptrace", `${target.pid}`]);
      waitUntil("a mirror, or none", () => {
        return mirror.output.includes("Watching") || mirror.child.status !== undefined;
      });
      if (mirror.child.status !== undefined) {
        untouched.assert();
        if (mirror.output.includes("Check failed: Start()")) continue;
        refusals++;
        assertStringIncludes(mirror.output, "procout: Cannot start a thread: the user has");
        assertEquals(mirror.child.status, { kind: "exited", status: 1 });
        continue;
      }
      for (const word of ["one", "two"]) {
        target.line(word);
        mirror.expect(`${word}\r\n`);
        waitUntil("procout to wait", () => isAtRest(mirror.pid));
      }
      mirror.press("^C");
      assertEquals(mirror.expectExit(), { kind: "exited", status: 0 });
      assert(refusals > 0, "No quota was one too few");
      return;
    }
    throw new Error(`Not watched with ${MOST} processes`);
  });

  /** Keys pass, and go on to when reptyr has waited on another thread, for which it has none to start. */
  function assertServes(terminal: Terminal): void {
    assertEquals(
      threadsInPoll(terminal.pid).length,
      1,
      "A thread waits for what it may be needed for",
    );
    for (const word of ["one", "two"]) {
      terminal.line(word);
      terminal.expect(`${word}\r\n${word}\r\n`);
      waitUntil("all threads to wait", () => isAtRest(terminal.pid));
    }
  }

  /** Threads of the runtime's pool that wait in poll(2), by /proc/PID/task/TID/wchan. */
  function threadsInPoll(pid: number): number[] {
    return waitUntil("a thread in poll(2)", () => {
      const pool = (listTids(pid) ?? []).filter((tid) =>
        readStat(pid, tid)?.comm.startsWith("tokio")
      );
      return pool.length > 0 && pool.every((tid) => readStat(pid, tid)?.state === "S") && pool;
    });
  }

  /** The first thread waits for the event loop, not in poll(2) for a slice of time. */
  function isAtRest(pid: number): boolean {
    return Deno.readTextFileSync(`/proc/${pid}/wchan`).includes("epoll");
  }
});

describe("reptyr without standard descriptors", () => {
  afterEach(assertNoneLeft);

  for (const redirections of ["<&- >&-", "<&- >&- 2>&-", ">&- 2>&-"]) {
    it(`takes ${redirections} for the end of input and no output`, () => {
      using target = start("foreground job", "echo lost; cat; exit 5");
      using script = Script.start(target.pid, { redirections });
      script.endInput();
      script.expectEnd(5);
      assertEquals(script.output, "");
    });
  }
});
