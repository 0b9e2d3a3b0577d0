/**
 * A program at its hard RLIMIT_NOFILE, which only CAP_SYS_RESOURCE raises: getrlimit(2). Root of the emulated machines
 * has that; root of a container, where tests/e2e/files_limit_test.ts runs, often has not.
 */
import { assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { setOpenFilesLimit } from "../../src/ffi/process.ts";
import { rlimit } from "../../src/ffi/structs.ts";
import { readFds } from "../../src/proc/fds.ts";
import { readOpenFilesLimit } from "../../src/proc/limits.ts";
import { readStatus } from "../../src/proc/status.ts";
import { Struct } from "../../src/struct.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import { startOn } from "../support/input_run.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";

const raisingHard = requiresCapability("sys_resource", requiresCompiler);

/** From now on the process can open nothing, and cannot change that. Returns its limit. */
function fill(pid: number): number {
  const used = new Set((readFds(pid, pid) ?? []).map(({ fd }) => fd));
  let limit = 0;
  while (used.has(limit)) limit++;
  const { bytes } = new Struct(rlimit)
    .set("rlim_cur", BigInt(limit))
    .set("rlim_max", BigInt(limit));
  assertEquals(setOpenFilesLimit(pid, bytes), 0);
  assertLimit(pid, limit);
  return limit;
}

function assertLimit(pid: number, limit: number): void {
  assertEquals(readOpenFilesLimit(pid, pid), { soft: limit, hard: limit });
}

function start(): Target {
  return Target.start("session leader", [victim("command")], (terminal) => {
    terminal.expect("ready");
  });
}

describe("reptyr PID above the hard limit of open files, as root", () => {
  afterEach(assertNoneLeft);

  raisingHard("moves the process, and restores both limits", () => {
    using target = start();
    const limit = fill(target.pid);
    using moved = target.move();
    assertLimit(target.pid, limit);
    moved.line("hello");
    moved.expect("line: hello");
  });

  raisingHard("lets the process restore both limits by itself, when reptyr is killed", () => {
    using target = start();
    const limit = fill(target.pid);
    const { ttyNr } = target.stat;
    // The limit is raised before: at about the 14th request to ptrace(2).
    const { terminal } = startOn([target.pid], { prefix: [victim("kill_at"), "36"] });
    using _ = terminal;
    assertEquals(terminal.expectExit(), { kind: "signaled", signal: 9 }, terminal.describe());
    waitUntil("the old limits", () => {
      const now = readOpenFilesLimit(target.pid, target.pid);
      return readStatus(target.pid)?.tracerPid === 0 && now?.soft === limit && now.hard === limit;
    });
    assertEquals(target.stat.ttyNr, ttyNr);
    target.terminal.line("hello");
    target.terminal.expect("line: hello");
  });
});
