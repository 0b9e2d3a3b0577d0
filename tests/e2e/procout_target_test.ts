import { assert, assertEquals } from "@std/assert";
import { afterEach } from "@std/testing/bdd";
import {
  SIGCONT,
  SIGHUP,
  SIGINT,
  SIGKILL,
  SIGSTOP,
  SIGTERM,
  SIGWINCH,
} from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { AS_NOBODY, startDetached } from "../support/input_run.ts";
import { assertNothingLeft, snapshot } from "../support/leftovers.ts";
import { describeEngines, Procout } from "../support/procout.ts";
import { requires, requiresCompiler } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { startVictim, untilAllBlocked, untilBlocked, untilState } from "../support/victim.ts";

const withUsers = requiresCapability("users", requires("cc", "python3", "bash"));

const SIGUSR1 = 10;
const SIGUSR2 = 12;

function untraced(pid: number): boolean {
  return readStatus(pid)?.tracerPid === 0;
}

describeEngines("a target that procout watches", () => {
  afterEach(assertNoneLeft);

  for (const way of ["pause", "epoll", "sleep"]) {
    requiresCompiler(`gets its signals, and calls are interrupted by them only: ${way}`, () => {
      using target = startVictim("mirror_signals", [way]);
      untilBlocked(target.pid);
      using procout = Procout.watch(target.pid);
      untilBlocked(target.pid);
      target.child.handle.signal(SIGUSR2); // ignored
      target.child.handle.signal(SIGUSR1);
      target.expect("broken EINTR");
      untilBlocked(target.pid);
      procout.signal(SIGINT);
      procout.expectEnd();
      assert(untraced(target.pid));
      untilBlocked(target.pid);
      target.child.handle.signal(SIGTERM);
      assertEquals(target.expectExit(), { kind: "exited", status: 7 });
      const said = target.output.replaceAll("\r", "");
      const wanted = ["caught 10", "broken EINTR", "caught 15", "broken EINTR"].join("\n");
      assertEquals(said, `ready ${target.pid}\n${wanted}\n`);
      assertEquals(procout.stdout, "caught 10\nbroken EINTR\n");
    });
  }

  requiresCompiler("stops and continues, and its parent gets SIGCHLD", () => {
    using target = startVictim("mirror_signals", ["pause"]);
    using procout = Procout.watch(target.pid);
    for (let times = 0; times < 2; times++) {
      target.child.handle.signal(SIGSTOP);
      waitUntil("the stop", () => /State:\t[Tt]/.test(statusText(target.pid)));
      target.child.handle.signal(SIGCONT);
      target.expect(`caught ${SIGCONT}`);
      target.expect("broken EINTR");
      untilBlocked(target.pid);
    }
    procout.signal(SIGINT);
    procout.expectEnd();
    assert(procout.stdout.startsWith("caught 18\nbroken EINTR\ncaught 18\n"), procout.stdout);
  });

  requiresCompiler("stays stopped when procout comes and goes", () => {
    using target = startVictim("mirror_signals", ["pause"]);
    target.child.handle.signal(SIGSTOP);
    untilState(target.pid, "T");
    const before = snapshot(target.pid);
    {
      using procout = Procout.watch(target.pid);
      procout.signal(SIGINT);
      procout.expectEnd();
    }
    assertNothingLeft(before);
    target.child.handle.signal(SIGCONT);
    target.expect("caught 18");
  });

  for (const [name, signal] of Object.entries({ SIGINT, SIGTERM, SIGHUP, SIGKILL })) {
    for (const victim of ["threads", "mirror_signals"]) {
      requiresCompiler(`is what it was when ${name} has ended procout: ${victim}`, () => {
        using target = startVictim(victim);
        untilAllBlocked(target.pid);
        const before = snapshot(target.pid);
        {
          using procout = Procout.watch(target.pid);
          procout.signal(signal);
          if (signal === SIGKILL) assertEquals(procout.end(), { kind: "signaled", signal });
          else procout.expectEnd();
        }
        untilAllBlocked(target.pid);
        assertNothingLeft(before);
      });
    }
  }

  requiresCompiler("repaints for --redraw, once, and its terminal has its old size again", () => {
    using target = startVictim("mirror_signals", ["pause"], { rows: 30, columns: 90 });
    using procout = Procout.watch(target.pid, ["--redraw"]);
    target.expect(`caught ${SIGWINCH}`);
    target.expect(`caught ${SIGWINCH}`);
    procout.signal(SIGINT);
    procout.expectEnd();
    using shell = Terminal.start(["stty", "-F", target.device, "size"]);
    shell.expect("30 90");
  });

  withUsers("leaves a terminal alone that the target has open with O_PATH only", () => {
    using bystander = startVictim("signals", [], { rows: 33, columns: 77 });
    const program = "import os, sys, time; os.dup2(os.open(sys.argv[1], os.O_PATH), 1); " +
      "open('/proc/self/comm', 'w').write('named'); time.sleep(1000)";
    const run = ["bash", "-c", `exec python3 -c "$0" "$1"`, program, bystander.device];
    using target = startDetached([...AS_NOBODY, ...run]);
    waitUntil("the target", () => readStat(target.pid)?.comm === "named");
    using procout = Procout.watch(target.pid, [
      "--redraw",
      "--format=cast",
      "-o",
      "FOLDER/cast",
    ]);
    procout.signal(SIGINT);
    procout.expectEnd();
    const [header] = new TextDecoder().decode(procout.bytes("cast")).split("\n");
    const { width, height } = JSON.parse(header!);
    assertEquals([width, height], [80, 24]);
    bystander.line("hello");
    bystander.expect("line: hello");
    assert(!bystander.output.includes("signal "), bystander.output);
  });

  requiresCompiler("has the size of its terminal and every new one in an asciicast", () => {
    using target = startVictim("mirror_signals", ["pause"], { rows: 30, columns: 90 });
    using procout = Procout.watch(target.pid, ["--format=cast", "-o", "FOLDER/cast"]);
    target.resize(40, 100);
    target.expect(`caught ${SIGWINCH}`);
    target.expect("broken EINTR");
    untilBlocked(target.pid);
    procout.signal(SIGINT);
    procout.expectEnd();
    const [header, ...events] = new TextDecoder().decode(procout.bytes("cast")).trim().split("\n")
      .map((line) => JSON.parse(line));
    assertEquals([header.version, header.width, header.height], [2, 90, 30]);
    assertEquals(events.map(([, code, data]) => [code, data]), [
      ["r", "100x40"],
      ["o", "caught 28\r\n"],
      ["o", "broken EINTR\r\n"],
    ]);
    assert(events.every(([time], index) => time >= (events[index - 1]?.[0] ?? 0)));
  });
});

function statusText(pid: number): string {
  return Deno.readTextFileSync(`/proc/${pid}/status`);
}
