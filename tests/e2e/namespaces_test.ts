import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { type Capability, requiresCapability } from "../support/capabilities.ts";
import { descendantsOf } from "../support/child.ts";
import { assertNoneLeft, type Shape, SHAPES, SHELL, Target } from "../support/e2e_target.ts";
import { Moved, refused, Untouched } from "../support/input_run.ts";
import { hasCompiler, requiresCompiler, victim } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

/** `it` where this machine has namespaces of these kinds. */
function unsharing(...kinds: readonly Capability[]) {
  return requiresCapability(kinds, requiresCompiler);
}

const COMMAND = hasCompiler ? victim("command") : "";

/** It answers on its new terminal, and ends there. */
function assertServed(moved: Moved): void {
  moved.terminal.line("hello");
  moved.terminal.expect("line: hello");
  moved.terminal.line("exit 9");
  moved.expectEnd(9);
}

/** The process, of those that run below `terminal`'s first one, that is the victim. */
function victimBelow(terminal: Terminal): number {
  terminal.expect("ready");
  return waitUntil(
    "the victim",
    () => descendantsOf(terminal.pid).find((pid) => readStat(pid)?.comm === "command.0"),
  );
}

function assertOther(namespace: string, pid: number): void {
  assertNotEquals(
    Deno.readLinkSync(`/proc/${pid}/ns/${namespace}`),
    Deno.readLinkSync(`/proc/self/ns/${namespace}`),
  );
}

describe("reptyr and a target in another mount namespace", () => {
  afterEach(assertNoneLeft);

  const devices: [string, string, Capability[]][] = [
    ["without any /dev", "mount -t tmpfs none /dev", []],
    [
      "with terminals of its own",
      "mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts",
      ["devpts"],
    ],
    ["without /proc", "mount -t tmpfs none /proc", []],
  ];
  for (const [what, mount, devpts] of devices) {
    for (const shape of SHAPES) {
      unsharing("mountns", ...devpts)(`moves a program ${what}: ${shape}`, () => {
        const argv = ["unshare", "-m", "sh", "-c", `${mount} && exec "$0"`, COMMAND];
        using target = Target.start(shape, argv, (terminal) => terminal.expect("ready"));
        assertOther("mnt", target.pid);
        using moved = Moved.to(target.pid);
        assertServed(moved);
      });
    }
  }
});

describe("reptyr and a target in another network namespace", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES as readonly Shape[]) {
    unsharing("netns")(`moves the target: ${shape}`, () => {
      using target = Target.start(
        shape,
        ["unshare", "-n", COMMAND],
        (terminal) => terminal.expect("ready"),
      );
      assertOther("net", target.pid);
      using moved = Moved.to(target.pid);
      assertServed(moved);
    });
  }
});

describe("reptyr and a target in another PID namespace", () => {
  afterEach(assertNoneLeft);
  const inside = unsharing("pidns");
  const UNSHARE = ["unshare", "-p", "-f", "--mount-proc"];

  inside("moves a job of a shell inside", () => {
    using terminal = Terminal.start([...UNSHARE, ...SHELL]);
    terminal.expect("$ ");
    terminal.line(COMMAND);
    const pid = victimBelow(terminal);
    assertEquals(readStatus(pid)?.nsPid.length, 2);
    using moved = Moved.to(pid);
    assertServed(moved);
    // The shell inside has its prompt, and works.
    terminal.line("echo alive $?");
    terminal.expect(/alive \d+\r\n/);
  });

  for (const option of ["-c", ""]) {
    inside(`moves process 1 as session leader, ${option ? "with" : "without"} a terminal`, () => {
      const setsid = ["setsid", ...option === "" ? [] : [option]];
      using terminal = Terminal.start([...UNSHARE, ...setsid, COMMAND]);
      const pid = victimBelow(terminal);
      assertEquals(readStatus(pid)?.nsPid[1], 1);
      assertEquals(readStat(pid)?.session, pid);
      assertEquals(readStat(pid)?.ttyNr !== 0, option === "-c");
      using moved = Moved.to(pid);
      assertServed(moved);
    });
  }

  inside("moves process 1 with the program outside that shares its job", () => {
    using terminal = Terminal.start([...UNSHARE, COMMAND]);
    const pid = victimBelow(terminal);
    using moved = Moved.to(pid);
    assertServed(moved);
  });
});

describe("reptyr and a container", () => {
  afterEach(assertNoneLeft);
  const ALL = ["-m", "-p", "-n", "-u", "-i", "-f", "--mount-proc"];

  unsharing("mountns", "pidns", "netns", "utsns", "ipcns")(
    "moves a job in all namespaces at once, with a /dev of its own",
    () => {
      const shell = `mount -t tmpfs none /dev && exec "$@"`;
      using terminal = Terminal.start(["unshare", ...ALL, "sh", "-c", shell, "sh", ...SHELL]);
      terminal.expect("$ ");
      terminal.line(COMMAND);
      const pid = victimBelow(terminal);
      for (const namespace of ["mnt", "pid", "net", "uts", "ipc"]) assertOther(namespace, pid);
      using moved = Moved.to(pid);
      assertServed(moved);
    },
  );

  unsharing("mountns")("says that it cannot make a terminal without /dev/ptmx", () => {
    using terminal = Terminal.start([COMMAND]);
    terminal.expect("ready");
    const target = new Untouched(terminal.pid);
    const lines = refused([terminal.pid], {
      prefix: ["unshare", "-m", "sh", "-c", `mount -t tmpfs none /dev && exec "$@"`, "sh"],
    });
    assertMatch(lines[0]!, /^Cannot make a new terminal: .*ENOENT/);
    assertMatch(lines[1]!, /^Is \/dev\/pts mounted, and \/dev\/ptmx there\?/);
    target.assert();
    terminal.line("hello");
    terminal.expect("line: hello");
    assertMatch(lines.join("\n"), /\/proc/);
    target.assert();
  });
});
