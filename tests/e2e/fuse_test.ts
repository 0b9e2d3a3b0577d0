/**
 * Programs with files on a file system that another program serves, which may be a member of the job, may never answer, and
 * may answer nobody but its own user.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { assertNoneLeft, SHAPES } from "../support/e2e_target.ts";
import {
  FuseServer,
  MountPoint,
  requiresFuse,
  Served,
  served,
  type ServerOptions,
} from "../support/fuse.ts";
import { Moved } from "../support/input_run.ts";
import { describeEngines, Procout } from "../support/procout.ts";
import { hasCompiler, requires, victim } from "../support/programs.ts";
import { reportOn } from "../support/reports.ts";
import { BASH, Emulator, Stolen } from "../support/steal.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { Terminal } from "../support/terminal.ts";
import { NOBODY } from "../support/users.ts";

/** The program answers on its new terminal, and ends there. */
function assertServed(moved: Moved, before = () => {}): void {
  moved.terminal.line("hello");
  moved.terminal.expect("line: hello");
  before();
  moved.terminal.line("exit 9");
  moved.expectEnd(9);
}

/** Writes a file to its terminal, at each line. */
const COPIES = `
import os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
print("ready", flush=True)
for line in sys.stdin:
    os.sendfile(1, file, 0, 14)
    print("copied", flush=True)
`;

const withPython = requiresCapability(["mountns", "fuse", "users"], requires("python3", "cc"));

/**
 * With "forks", children that were born after the job was looked at, ask the server all the time; with "bears" they are
 * children of the server, known only when that stands still.
 */
const OF_THE_JOB = ["member", "member,busy", "member,forks", "member,busy,bears"] as const;

describe("a job with the server of a file system in it", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    for (const options of OF_THE_JOB) {
      requiresFuse(`is moved, and goes on using the file system: ${options}, ${shape}`, () => {
        using job = new Served(options, shape);
        using moved = Moved.to(job.pid);
        const terminal = readStat(job.pid)!.ttyNr;
        assert(terminal !== 0);
        assertEquals(
          Deno.readLinkSync(`/proc/${job.server.pid}/fd/1`),
          Deno.readLinkSync(`/proc/${job.pid}/fd/1`),
        );
        assertEquals(Deno.statSync(`/proc/${job.pid}/fd/10`).ino, 2);
        assertServed(moved);
      });
    }
  }
});

describeEngines("a job with the server of a file system in it", () => {
  afterEach(assertNoneLeft);

  requiresFuse("is mirrored, server included", () => {
    using job = new Served("member,busy");
    using procout = Procout.watch(job.pid, ["-f"]);
    job.terminal.line("hello");
    procout.untilStdout("line: hello");
    assertEquals(Deno.statSync(`/proc/${job.pid}/fd/10`).ino, 2);
    job.terminal.line("exit 9");
    procout.expectEnd(0);
  });

  withPython("is mirrored when it calls sendfile(2) from there, except the copy", () => {
    using folder = new MountPoint();
    const source = Deno.makeTempFileSync();
    using _source = { [Symbol.dispose]: () => Deno.removeSync(source) };
    Deno.writeTextFileSync(source, "from the file\n");
    const argv = ["python3", "-c", COPIES, `${folder.path}/file`];
    using terminal = Terminal.start(served(folder.path, "member", argv, source));
    using server = new FuseServer(terminal);
    terminal.expect("ready");
    const { ppid } = readStat(server.pid)!;
    using procout = Procout.watch(ppid, ["-f"]);
    terminal.line("go");
    terminal.expect("from the file");
    procout.untilStdout("copied");
    assert(!procout.stdout.includes("from the file"));
    assertMatch(procout.stderr, new RegExp(`process ${ppid} writes by sendfile cannot be shown`));
    terminal.press("^D");
    procout.expectEnd(0);
  });
});

/** Has all of its code in one file, most of which it never comes to. */
const LARGE = hasCompiler ? victim("command", ["-static", "-falign-functions=65536"]) : "";

/** Which file system it is, its server's options, and what that does before anybody looks. */
const UNTOLD: [string, ServerOptions, (server: FuseServer) => void][] = [
  ["that never answers", "none", (server) => server.silence()],
  ["whose server has ended", "none", (server) => server.end()],
  ["of another user", `user=${NOBODY}`, () => {}],
  ["of a user namespace of its own", `user=${NOBODY},userns`, () => {}],
];

for (const [which, options, prepare] of UNTOLD) {
  const start = () => {
    const served = new Served(options);
    prepare(served.server);
    return served;
  };

  describe(`a program with files on a file system ${which}`, () => {
    afterEach(assertNoneLeft);

    requiresFuse("is listed as movable", () => {
      using served = start();
      const report = reportOn(served.pid);
      assertEquals([report.can, report.reason], [true, null]);
    });

    requiresFuse("is moved", () => {
      using served = start();
      using moved = Moved.to(served.pid);
      // A program that ends closes its files, and waits for an answer.
      assertServed(moved, () => served.server.end());
    });

    requiresFuse("is moved when a part of its C library is on that file system, too", () => {
      using served = new Served(options, "session leader", LARGE);
      // What it runs for that is in memory from now on.
      served.terminal.line("hello");
      served.terminal.expect("line: hello");
      prepare(served.server);
      using moved = Moved.to(served.pid);
      moved.terminal.line("hello");
      moved.terminal.expect("line: hello");
      served.server.end();
    });

    requiresFuse("has its terminal taken", () => {
      using folder = new MountPoint();
      using emulator = Emulator.start("poll", [], served(folder.path, options, BASH));
      using server = new FuseServer(emulator.window);
      prepare(server);
      using stolen = Stolen.from(emulator.shell);
      stolen.ask("echo it is $$", `it is ${emulator.shell}\r\n`);
      server.end();
      stolen.terminal.line("exit 3");
      stolen.expectEnd(3);
    });
  });

  describeEngines(`a program with files on a file system ${which}`, () => {
    afterEach(assertNoneLeft);

    requiresFuse("is mirrored", () => {
      using served = start();
      using procout = Procout.watch(served.pid);
      served.terminal.line("hello");
      procout.untilStdout("line: hello");
      served.server.end();
      served.terminal.line("exit 9");
      procout.expectEnd(0);
    });
  });
}
