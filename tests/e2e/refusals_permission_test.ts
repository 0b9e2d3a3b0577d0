import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import { AS_NOBODY, NOBODY, refused, startDetached, Untouched } from "../support/input_run.ts";
import { publicVictim } from "../support/input_victims.ts";
import { yamaLevel } from "../support/probes/tracing.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

const asRoot = requiresCapability("users", requiresCompiler);
const withYama = requiresCapability(["users", "yama"], requiresCompiler);

/** `command ODDITY`, run by `prefix`, as a session leader that has said it is ready. */
function start(prefix: readonly string[], ...oddity: string[]): Terminal {
  const terminal = Terminal.start([...prefix, publicVictim("command"), ...oddity]);
  terminal.expect("ready");
  return terminal;
}

function assertAnswers(terminal: Terminal): void {
  terminal.line("hello");
  terminal.expect("line: hello");
}

const BY_NOBODY = { prefix: AS_NOBODY, owner: NOBODY };

describe("reptyr where the kernel does not permit it", () => {
  afterEach(assertNoneLeft);

  asRoot("names the other user", () => {
    using terminal = start([]);
    const target = new Untouched(terminal.pid);
    assertEquals(refused([terminal.pid], BY_NOBODY), [
      `Cannot attach to process ${terminal.pid} (${
        shown(terminal.pid)
      }): permission denied: it belongs ` +
      `to another user (uid 0; this reptyr runs as uid ${NOBODY})`,
      `Run: sudo reptyr ${terminal.pid}`,
    ]);
    target.assert();
    assertAnswers(terminal);
  });

  asRoot("says that a program is not dumpable", () => {
    using terminal = start(AS_NOBODY, "nondumpable");
    const target = new Untouched(terminal.pid);
    const [first, remedy] = refused([terminal.pid], BY_NOBODY);
    assertStringIncludes(first!, "permission denied: it is not dumpable");
    assertEquals(remedy, `Run: sudo reptyr ${terminal.pid}`);
    target.assert();
    assertAnswers(terminal);
  });

  asRoot("moves, as root, a program that is not dumpable, as that remedy says", () => {
    using target = Target.start(
      "session leader",
      [...AS_NOBODY, publicVictim("command"), "nondumpable"],
      (terminal) => terminal.expect("ready"),
    );
    using moved = target.move();
    moved.line("exit 3");
    target.expectEnd(moved, 3);
  });

  const tracers: [string, string[]][] = [
    ["strace", ["-p"]],
    ["gdb", ["-q", "-nx", "-batch", "-ex", "continue", "-p"]],
  ];
  for (const [name, args] of tracers) {
    requires(name)(`names ${name}, which traces it already`, () => {
      using terminal = start([]);
      using tracer = startDetached([name, ...args, `${terminal.pid}`]);
      waitUntil(
        `${name} to attach and to let go on`,
        () =>
          readStatus(terminal.pid)?.tracerPid === tracer.pid &&
          readStat(terminal.pid)?.state === "S",
      );
      const target = new Untouched(terminal.pid);
      const [first, remedy] = refused([terminal.pid]);
      assertMatch(
        first!,
        new RegExp(`: it is already traced by process ${tracer.pid} \\((\\S*/)?${name} `),
      );
      assertEquals(remedy, `End process ${tracer.pid} or make it detach, then try again`);
      target.assert();
      assertAnswers(terminal);
    });
  }

  requiresCapability(["users", "userns"], requiresCompiler)(
    "names the other user namespace, without and with the capabilities of this one",
    () => {
      using terminal = start(AS_NOBODY);
      const target = new Untouched(terminal.pid);
      for (const option of ["-U", "-Ur"]) {
        const [first, remedy] = refused([terminal.pid], {
          prefix: [...AS_NOBODY, "unshare", option],
          owner: NOBODY,
        });
        assertStringIncludes(first!, "permission denied: it is in another user namespace");
        assertMatch(remedy!, /^Run reptyr as root outside of the container or sandbox/);
      }
      target.assert();
      assertAnswers(terminal);
    },
  );

  requiresCapability("seccomp", requiresCompiler)(
    "says that a seccomp filter on reptyr itself may be the reason",
    () => {
      using terminal = start([]);
      const target = new Untouched(terminal.pid);
      const [first, remedy] = refused([terminal.pid], { prefix: [victim("input_no_ptrace")] });
      assertStringIncludes(first!, "a seccomp filter on this reptyr, such as that of a container");
      assertMatch(remedy!, /^Run reptyr outside of the container or sandbox, or allow ptrace/);
      target.assert();
      assertAnswers(terminal);
    },
  );

  withYama("names Yama and its level", () => {
    using terminal = start(AS_NOBODY);
    const target = new Untouched(terminal.pid);
    const lines = refused([terminal.pid], BY_NOBODY);
    assertStringIncludes(lines[0]!, `kernel.yama.ptrace_scope is ${yamaLevel()}: `);
    target.assert();
    assertAnswers(terminal);
  });
});

describe("reptyr and a target under a seccomp filter", () => {
  afterEach(assertNoneLeft);

  for (const filter of ["seccomp-errno", "seccomp-kill"]) {
    requiresCapability(["users", "attach", "seccomp"], requiresCompiler)(
      `refuses without privilege: ${filter}`,
      () => {
        using terminal = start(AS_NOBODY, filter);
        const target = new Untouched(terminal.pid);
        const lines = refused([terminal.pid], BY_NOBODY);
        assertMatch(lines[0]!, /: it runs under a seccomp filter, which might kill it/);
        assertMatch(lines[1]!, new RegExp(`CAP_SYS_ADMIN .*: sudo reptyr ${terminal.pid}$`));
        target.assert();
        assertAnswers(terminal);
      },
    );

    requiresCapability(["users", "seccomp", "seccomp_suspend"], requiresCompiler)(
      `moves the target with privilege, and leaves the filter in force: ${filter}`,
      () => {
        using target = Target.start(
          "session leader",
          [...AS_NOBODY, publicVictim("command"), filter],
          (terminal) => terminal.expect("ready"),
        );
        using moved = target.move();
        assertEquals(readStatus(target.pid)?.seccomp, 2);
        moved.line("hello");
        moved.expect("line: hello");
        moved.line("exit 4");
        target.expectEnd(moved, 4);
      },
    );
  }
});

/** How a message shows the command of `pid`: cut to 40 characters. */
function shown(pid: number): string {
  const words = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0").join(" ").trim();
  return words.length <= 40 ? words : `${words.slice(0, 39)}…`;
}
