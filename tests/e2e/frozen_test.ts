/** Processes that their cgroup holds still: docker pause, systemctl freeze, and by hand. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGCONT, SIGTERM } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { descendantsOf, ProcessHandle } from "../support/child.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft, type Shape, SHAPES, Target } from "../support/e2e_target.ts";
import { Cgroup, FREEZERS } from "../support/frozen.ts";
import { injecting } from "../support/fault_injection.ts";
import { LogFile } from "../support/fault_trial.ts";
import { frozenAt } from "../support/frozen_trial.ts";
import { refused, Untouched } from "../support/input_run.ts";
import { MovedJob, startOnTerminal, untilRunning } from "../support/jobs_moved.ts";
import { assertRefused } from "../support/procout.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { reptyrPath, startReptyr } from "../support/reptyr.ts";
import { Emulator } from "../support/steal.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

function start(shape: Shape): Target {
  const target = Target.start(shape, [victim("command")], (terminal) => terminal.expect("ready"));
  untilBlocked(target.pid);
  return target;
}

/** The answer to --why, as one of --list. */
function told(
  words: readonly (string | number)[],
): { can: boolean; reason: string; pid: number }[] {
  const args = [...words.map(String), "--json"];
  const { stdout } = new Deno.Command(reptyrPath, { args }).outputSync();
  const answer = JSON.parse(new TextDecoder().decode(stdout));
  return Array.isArray(answer) ? answer : [answer];
}

for (const version of FREEZERS) {
  const test = requiresCapability(`freezer_v${version}`, requiresCompiler);

  describe(`a process in a frozen cgroup of version ${version}`, () => {
    afterEach(assertNoneLeft);

    for (const shape of SHAPES) {
      test(`is refused with the command that thaws it, and can be moved then, ${shape}`, () => {
        using cgroup = new Cgroup(version);
        using target = start(shape);
        cgroup.add(target.pid);
        using _frozen = cgroup.freeze();
        const before = new Untouched(target.pid);
        const [line, remedy, ...more] = refused([target.pid]);
        assertMatch(
          line!,
          new RegExp(`^Cannot stop process ${target.pid} .*: it is frozen, as all`),
        );
        const value = version === 2 ? "0" : "THAWED";
        assertEquals(remedy, `To thaw it, run: echo ${value} > ${cgroup.file}`);
        assertEquals(more, []);
        for (const words of [["--why", target.pid], ["--list"]]) {
          const answer = told(words).find(({ pid }) => pid === target.pid)!;
          assertEquals([answer.can, answer.reason], [false, line]);
        }
        before.assert();
        const thawed = new Deno.Command("sh", { args: ["-c", remedy!.replace(/^.*?: /, "")] });
        assert(thawed.outputSync().success);
        using moved = target.move();
        moved.line("moved");
        moved.expect("line: moved");
        moved.line("exit 7");
        target.expectEnd(moved, 7);
      });
    }

    test("is refused when a cgroup above its own is frozen", () => {
      using above = new Cgroup(version);
      using cgroup = new Cgroup(version, above);
      using target = start("session leader");
      cgroup.add(target.pid);
      using _frozen = above.freeze();
      const [, remedy] = refused([target.pid]);
      assert(remedy!.endsWith(above.file), remedy);
    });

    test("is refused as a member of a job, and no member is stopped", () => {
      using cgroup = new Cgroup(version);
      using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", "cat; exit 7"]);
      const pids = untilRunning(old, ["bash", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using job = new MovedJob(old, pids);
      cgroup.add(pids[1]!);
      using _frozen = cgroup.freeze();
      const before = pids.map((pid) => new Untouched(pid));
      const [line] = refused([pids[0]!]);
      assertMatch(line!, new RegExp(`^Cannot stop process ${pids[1]} .*: it is frozen`));
      for (const one of before) one.assert();
      cgroup.thaw();
      using moved = job.move(pids[0]!);
      moved.line("moved");
      moved.expect("moved\r\nmoved\r\n");
      moved.press("^D");
      job.expectEnd(moved, 7);
    });

    test("is refused as the emulator of the terminal that -T would take", () => {
      using cgroup = new Cgroup(version);
      // The freezer itself makes epoll_wait(2) return EINTR.
      using emulator = Emulator.start("poll");
      const { window, shell } = emulator;
      cgroup.add(window.pid);
      using _frozen = cgroup.freeze();
      const before = new Untouched(window.pid);
      const [line] = refused(["-T", shell]);
      assertMatch(line!, new RegExp(`^Cannot stop process ${window.pid} .*: it is frozen`));
      before.assert();
      cgroup.thaw();
      using taken = startReptyr(["-T", shell]);
      taken.line("echo $((6 * 7))");
      taken.expect("42");
    });

    test("is refused by procout with the engine that would stop it", () => {
      using cgroup = new Cgroup(version);
      using target = start("session leader");
      cgroup.add(target.pid);
      using _frozen = cgroup.freeze();
      const before = new Untouched(target.pid);
      const message = new RegExp(`^procout: Cannot stop process ${target.pid} .*: it is frozen`);
      assertRefused(["--engine=ptrace", target.pid], 1, message);
      before.assert();
    });
  });
}

/** By subject, the calls of ptrace(2) at which it is frozen. The last ones of a job come after setsid(2), or after the move. */
const MOMENTS = {
  job: [9, 30, 58, 79, 95, 110],
  family: [60, 120, 200],
  steal: [17, 31, 45],
} as const;

for (const version of FREEZERS) {
  const test = requiresCapability(`freezer_v${version}`, requires("strace", "cc"));

  describe(`a move in the middle of which cgroups of version ${version} freeze all processes`, () => {
    afterEach(assertNoneLeft);

    for (const [name, calls] of Object.entries(MOMENTS)) {
      test(`finishes, and nothing is lost: ${name}`, () => {
        const outcomes = calls.map((call) => {
          using cgroup = new Cgroup(version);
          return frozenAt(name as keyof typeof MOMENTS, cgroup, call).outcome;
        });
        assertEquals(outcomes[0], "as before");
        const allowed = ["as before", "moved", ...name === "steal" ? [] : ["without terminal"]];
        // The last number may be more than there are calls.
        const possible = (index: number) =>
          index === calls.length - 1 ? [...allowed, "not frozen"] : allowed;
        const isPossible = outcomes.every((outcome, index) => possible(index).includes(outcome));
        assert(isPossible, outcomes.join());
      });
    }
  });
}

describe("a move that waits for one member, while others stand still", () => {
  afterEach(assertNoneLeft);

  requiresCapability("freezer_v1", requires("strace", "bash", "cat"))(
    "releases all members when it is given up",
    () => {
      using cgroup = new Cgroup(1);
      using log = new LogFile();
      using old = startOnTerminal("foreground job", ["bash", "--norc", "-c", "cat; exit 7"]);
      const pids = untilRunning(old, ["bash", "cat"]);
      pids.forEach((pid) => untilBlocked(pid));
      using _job = new MovedJob(old, pids);
      cgroup.add(pids[1]!);
      const before = pids.map((pid) => new Untouched(pid));
      const stop = { side: "own", call: "ptrace", error: "SIGSTOP", first: 1, last: 1 } as const;
      using terminal = new Terminal({ label: "reptyr", env: { NO_COLOR: "1" } });
      terminal.spawn([...injecting(stop, log.path).argv, "--timeout=1000", String(pids[0])]);
      waitUntil(
        "reptyr to be stopped",
        () => Deno.readTextFileSync(log.path).includes("stopped by SIGSTOP"),
      );
      using _frozen = cgroup.freeze();
      const reptyr = descendantsOf(terminal.pid).find((pid) => readStat(pid)?.comm === "reptyr")!;
      using handle = new ProcessHandle(reptyr);
      handle.signal(SIGCONT);
      terminal.expect(`waiting for thread ${pids[1]} of ${pids[1]} (state D`);
      assertEquals(readStat(pids[0]!)?.state, "t");
      handle.signal(SIGTERM);
      assertEquals(terminal.expectExit(), { kind: "exited", status: 143 }, terminal.describe());
      for (const one of before) one.assert();
      cgroup.thaw();
      old.line("hello");
      old.expect("hello\r\nhello\r\n");
    },
  );
});
