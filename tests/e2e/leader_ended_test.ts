/**
 * A process whose first thread has ended, pthread_exit(3) in main(), while others go on: /proc/PID shows a zombie, and
 * the process lives.
 */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { listTids } from "../../src/proc/tasks.ts";
import {
  assertNoneLeft,
  PROMPT,
  type Shape,
  SHAPES,
  SHELL,
  Target,
} from "../support/e2e_target.ts";
import { ProcessHandle } from "../support/child.ts";
import { typeInShell, untilForeground, untilRunning } from "../support/jobs_moved.ts";
import { enginesFor, Procout } from "../support/procout.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import { reptyrPath, startReptyr } from "../support/reptyr.ts";
import { Emulator } from "../support/steal.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilLeaderEnded } from "../support/victim.ts";

function start(shape: Shape): Target {
  const target = Target.start(shape, [victim("command"), "leader-exited"], (terminal) => {
    terminal.expect("ready");
  });
  untilLeaderEnded(target.pid);
  return target;
}

/** States of the threads that live. */
function states(pid: number): string {
  const all = (listTids(pid) ?? []).map((tid) => readStat(pid, tid)?.state ?? "X");
  return all.filter((state) => !/[ZX]/.test(state)).join("");
}

describe("a process whose first thread has ended", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requiresCompiler(`is moved, and moved on: the first reptyr ends, ${shape}`, () => {
      using target = start(shape);
      using second = target.move();
      second.line("second");
      second.expect("line: second");
      using third = target.move();
      assertEquals(second.expectExit(), { kind: "exited", status: 0 }, second.describe());
      second.expect(`process ${target.pid} has left this terminal`);
      third.line("exit 7");
      target.expectEnd(third, 7);
    });

    requiresCompiler(`is moved, and its terminal is taken: the first reptyr ends, ${shape}`, () => {
      using target = start(shape);
      using second = target.move();
      using third = startReptyr(["-T", target.pid]);
      assertEquals(second.expectExit(), { kind: "exited", status: 0 }, second.describe());
      third.line("third");
      third.expect("line: third");
      third.line("exit 7");
      assertEquals(third.expectExit(), { kind: "exited", status: 7 }, third.describe());
      assert(target.handle.ended);
    });
  }

  requiresCompiler("is stopped by ^Z and goes on by fg", () => {
    using target = start("foreground job");
    using shell = Terminal.start(SHELL, { label: "new shell" });
    shell.expect(PROMPT);
    target.moveBy(() => {
      shell.line(`${reptyrPath} ${target.pid}`);
      return undefined;
    }, shell);
    // Twice: a stop is not taken for the one before.
    for (let round = 0; round < 2; round++) {
      shell.press("^Z");
      shell.expect("Stopped");
      shell.expect(PROMPT);
      waitUntil("the stop", () => /^[Tt]$/.test(states(target.pid)));
      shell.line("fg");
      waitUntil("it to go on", () => /^[SR]$/.test(states(target.pid)));
      shell.line("words");
      shell.expect("line: words");
    }
    shell.line("exit 7");
    shell.expect(PROMPT);
    shell.line('echo "status $?"');
    shell.expect("status 7\r\n");
    assert(target.handle.ended);
  });

  requiresCompiler("stops itself, and its reptyr with it", () => {
    using target = start("foreground job");
    using shell = Terminal.start(SHELL, { label: "new shell" });
    shell.expect(PROMPT);
    target.moveBy(() => {
      shell.line(`${reptyrPath} ${target.pid}`);
      return undefined;
    }, shell);
    shell.line("stop");
    shell.expect("Stopped");
    shell.expect(PROMPT);
    shell.line("fg");
    shell.line("words");
    shell.expect("line: words");
    shell.line("exit 7");
    shell.expect(PROMPT);
    assert(target.handle.ended);
  });

  requiresCompiler(
    "stays when another process is moved alone, and the shell prompts when it has stopped",
    () => {
      using old = typeInShell(`${victim("command")} leader-exited | cat`);
      const name = victim("command").split("/").at(-1)!;
      const [first, cat] = untilRunning(old, [name, "cat"]);
      old.expect("ready");
      untilLeaderEnded(first!);
      untilForeground(first!);
      using handle = new ProcessHandle(cat!);
      using moved = startReptyr(["-1", cat!]);
      waitUntil("the move", () => readStat(cat!)?.session === cat);
      old.press("^Z");
      waitUntil("the stop", () => states(first!) === "T");
      old.expect(PROMPT);
      old.line("fg");
      waitUntil("it to go on", () => /^[SR]$/.test(states(first!)));
      old.press("^C");
      old.expect(PROMPT);
      assertEquals(moved.expectExit(), { kind: "exited", status: 0 }, moved.describe());
      assert(handle.ended);
    },
  );

  requiresCompiler("can lead the session of a terminal that -T takes", () => {
    const script = `echo '$ '; exec ${victim("command")} leader-exited`;
    using emulator = Emulator.start("epoll", [], ["sh", "-c", script]);
    const { shell } = emulator;
    untilLeaderEnded(shell);
    using taken = startReptyr(["-T", shell]);
    taken.line("taken");
    taken.expect("line: taken");
    using again = startReptyr([shell]);
    assertEquals(taken.expectExit(), { kind: "exited", status: 0 }, taken.describe());
    again.line("exit 7");
    assertEquals(again.expectExit(), { kind: "exited", status: 7 }, again.describe());
  });

  requiresCompiler("is listed with the state of its living thread", () => {
    using target = start("session leader");
    waitUntil("it to wait", () => states(target.pid) === "S");
    const { stdout } = new Deno.Command(reptyrPath, { args: ["--list", "--json"] }).outputSync();
    const all = JSON.parse(new TextDecoder().decode(stdout)) as { pid: number; state: string }[];
    assertEquals(all.find(({ pid }) => pid === target.pid)?.state, "S");
  });

  for (const engine of enginesFor("is mirrored to its end")) {
    requiresCompiler(`is mirrored to its end, engine ${engine}`, () => {
      using target = start("session leader");
      using procout = Procout.watch(target.pid, [`--engine=${engine}`]);
      target.terminal.line("seen");
      procout.untilStdout("line: seen");
      target.terminal.line("exit 7");
      procout.expectEnd(0);
    });
  }
});
