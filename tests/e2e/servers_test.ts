/** reptyr where servers and containers are poor: it moves a program all the same, and writes nothing anywhere. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, beforeEach, describe } from "@std/testing/bdd";
import { join } from "@std/path";
import { VERSION } from "../../src/cli/version.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import { AS_NOBODY, isMoved, Moved, NOBODY, refused, startOn } from "../support/input_run.ts";
import { hasCompiler, requires, requiresCompiler, victim } from "../support/programs.ts";
import { inRoot, LIBRARIES, runBehind, type SmallRoot } from "../support/small_root.ts";
import { waitUntil } from "../support/terminal.ts";

const COMMAND = hasCompiler ? victim("command") : "";
const mounted = requiresCapability("mountns", requiresCompiler);
const inOwnRoot = requiresCapability(["mountns", "chroot"], requiresCompiler);

let folder = "";

/** The program answers on the terminal it was moved to. */
function assertMoves(prefix: readonly string[], target: readonly string[] = []): void {
  using moving = Target.start(
    "session leader",
    [...target, COMMAND],
    (terminal) => terminal.expect("ready"),
  );
  if (target.length > 0) Deno.chownSync(moving.terminal.device, NOBODY, null);
  using moved = Moved.to(moving.pid, { prefix, ...target.length > 0 ? { owner: NOBODY } : {} });
  moved.terminal.line("hello");
  moved.terminal.expect("line: hello");
  moved.terminal.line("exit 9");
  moved.expectEnd(9);
}

/** What needs no terminal works. */
function assertRuns(prefix: readonly string[]): void {
  assertEquals(runBehind(prefix, "--version"), {
    code: 0,
    stdout: `reptyr ${VERSION}\n`,
    stderr: "",
  });
  const { code, stdout, stderr } = runBehind(prefix, "--list");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertMatch(stdout, /^ *PID +USER +TERMINAL /);
}

/**
 * The same for a reptyr in a root of its own. Moved.to() compares what descriptors lead to, and these lead through a
 * mount that has another name out here.
 */
function assertMovesFrom(prefix: readonly string[]): void {
  using target = Target.start("session leader", [COMMAND], (terminal) => terminal.expect("ready"));
  const oldTty = target.stat.ttyNr;
  const { terminal } = startOn([target.pid], { prefix });
  using _ = terminal;
  waitUntil("the move", () => isMoved(target.pid, oldTty));
  terminal.line("hello");
  terminal.expect("line: hello");
  terminal.line("exit 9");
  assertEquals(terminal.expectExit(), { kind: "exited", status: 9 }, terminal.describe());
}

describe("reptyr on a poor system", () => {
  beforeEach(() => {
    folder = Deno.makeTempDirSync({ prefix: "reptyr-server-" });
    Deno.chmodSync(folder, 0o755);
  });
  afterEach(() => {
    Deno.removeSync(folder, { recursive: true });
    assertNoneLeft();
  });

  const mounting = (script: string) => () => [
    ...["unshare", "-m", "--propagation", "private", "sh", "-c"],
    `folder=${folder}\n${script} && exec "$0" "$@"`,
  ];
  const noTmp = [...LIBRARIES, "/proc", "/dev"];
  const places: [string, () => readonly string[]][] = [
    ["without HOME", () => ["env", "-u", "HOME"]],
    ["with an empty environment", () => ["env", "-i"]],
    [
      "with a read-only home",
      mounting('mount -t tmpfs -o ro none "$folder" && export HOME="$folder"'),
    ],
    ["with a home that is not there", () => ["env", `HOME=${folder}/none`]],
    [
      "where /proc/sys and /sys are read-only, as in a container",
      mounting(
        "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && " +
          "mount --bind /sys /sys && mount -o remount,ro,bind /sys",
      ),
    ],
  ];
  const roots: [string, SmallRoot][] = [
    ["without /tmp, /etc, /sys, a shell", { folders: noTmp }],
    [
      "with /tmp that nothing may be run in",
      {
        folders: noTmp,
        before: 'mkdir "$root/tmp"; mount -t tmpfs -o noexec none "$root/tmp"',
      },
    ],
    [
      "with a read-only root",
      { folders: noTmp, before: 'mount -o remount,ro none "$root"' },
    ],
  ];
  for (const [what, root] of roots) {
    inOwnRoot(`moves a program ${what}`, () => {
      const prefix = inRoot(folder, root);
      assertRuns(prefix);
      assertMovesFrom(prefix);
    });
  }
  for (const [what, prefix] of places) {
    (what.includes("read-only") ? mounted : requiresCompiler)(`moves a program ${what}`, () => {
      assertRuns(prefix());
      assertMoves(prefix());
    });
  }

  requiresCapability(["users", "attach"], requiresCompiler)(
    "moves a program as an ordinary user with nothing in the environment",
    () => assertMoves([...AS_NOBODY, "env", "-i"], AS_NOBODY),
  );

  inOwnRoot("says what is missing without /dev", () => {
    using target = Target.start(
      "session leader",
      [COMMAND],
      (terminal) => terminal.expect("ready"),
    );
    const prefix = inRoot(folder, { folders: [...LIBRARIES, "/proc"] });
    const lines = refused([target.pid], { prefix });
    assertMatch(lines[0]!, /ptmx/);
    target.terminal.line("still here");
    target.terminal.expect("line: still here");
  });
});

describe("reptyr and the disk", () => {
  beforeEach(() => {
    folder = Deno.makeTempDirSync({ prefix: "reptyr-disk-" });
  });
  afterEach(() => {
    Deno.removeSync(folder, { recursive: true });
    assertNoneLeft();
  });

  /** What traces every call that can make or change a file; the log is `folder`/log. */
  const traced = () => {
    Deno.mkdirSync(join(folder, "home"));
    Deno.mkdirSync(join(folder, "tmp"));
    const calls =
      "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2," +
      "link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,truncate,chmod,fchmodat,utimensat";
    return [
      ...["env", `HOME=${folder}/home`, `TMPDIR=${folder}/tmp`],
      ...[
        "strace",
        "-f",
        "-qq",
        "-o",
        `${folder}/log`,
        "-e",
        `trace=?${calls.replaceAll(",", ",?")}`,
      ],
    ];
  };

  /** Nothing but devices and /proc was opened for writing, and no name was made, changed or removed. */
  function assertNothingWritten(): void {
    const log = Deno.readTextFileSync(join(folder, "log"));
    const opened = /\bopen(at)?\(/;
    assertMatch(log, opened);
    const writing = log.split("\n").filter((line) => {
      if (!/^\d+ +\w+\(/.test(line)) return false; // a signal, or the second half of a call
      if (!/^\d+ +open/.test(line)) return true;
      return /O_(CREAT|WRONLY|RDWR|TRUNC|TMPFILE)/.test(line) && !/"\/(dev|proc)\//.test(line);
    });
    assertEquals(writing, []);
    for (const name of ["home", "tmp"]) {
      assertEquals(Array.from(Deno.readDirSync(join(folder, name))), [], name);
    }
  }

  for (const args of [["--version"], ["--list"], ["--why", "1"], ["--help"], ["procout", "-v"]]) {
    requires("strace")(`writes nothing with ${args.join(" ")}`, () => {
      assert(runBehind(traced(), ...args).stdout.length > 0);
      assertNothingWritten();
    });
  }

  (hasCompiler ? requires("strace") : requiresCompiler)("writes nothing in a move", () => {
    assertMoves(traced());
    assertNothingWritten();
  });
});
