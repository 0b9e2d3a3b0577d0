/**
 * reptyr killed with SIGKILL at some moment of an attach: what the target is then, it becomes by itself. As in
 * tests/e2e/killed_test.ts, with fewer moments, which are drawn anew each time, and without strace(1), which is slow.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readFds } from "../../src/proc/fds.ts";
import { readStatus } from "../../src/proc/status.ts";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import { startOn } from "../support/input_run.ts";
import { REGISTERS_VICTIM, requiresCompiler, victim } from "../support/programs.ts";
import { waitUntil } from "../support/terminal.ts";

const SIGUSR1 = 10;

/** Requests to ptrace(2) that an attach makes at least; one moment is drawn from each part of them. */
const REQUESTS = 64;
const PARTS = 3;

function moments(): number[] {
  const length = REQUESTS / PARTS;
  return Array.from({ length: PARTS }, (_, part) => 3 + Math.floor((part + Math.random()) * length))
    .map((number) => Math.min(number, REQUESTS));
}

/** Run reptyr on `target` and kill it as it makes its request `number` to ptrace(2). */
function killAt(target: Target, number: number): void {
  const prefix = [victim("kill_at"), `${number}`];
  const { terminal } = startOn([target.pid], { prefix });
  using _ = terminal;
  const end = terminal.expectExit();
  assertEquals(end, { kind: "signaled", signal: 9 }, `${number}: ${terminal.describe()}`);
}

function signalsOf(pid: number) {
  const status = readStatus(pid);
  return [status?.tracerPid, status?.sigBlocked, status?.sigIgnored, status?.sigCaught];
}

describe("reptyr is killed while it moves", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("a program that waits becomes what it was", () => {
    for (const number of moments()) {
      using target = Target.start("session leader", [victim("command")], (terminal) => {
        terminal.expect("ready");
      });
      const before = signalsOf(target.pid);
      const { ttyNr, tpgid } = target.stat;
      const fds = (readFds(target.pid, target.pid) ?? []).map(({ fd, ino }) => `${fd} ${ino}`);
      killAt(target, number);
      waitUntil(
        `the old state after request ${number}`,
        () => signalsOf(target.pid).join() === before.join(),
      );
      assertEquals([target.stat.ttyNr, target.stat.tpgid], [ttyNr, tpgid], `request ${number}`);
      const now = (readFds(target.pid, target.pid) ?? []).map(({ fd, ino }) => `${fd} ${ino}`);
      assertEquals(now.filter((fd) => fds.includes(fd)), fds, `request ${number}`);
      target.terminal.line("hello");
      target.terminal.expect("line: hello");
      assert(!target.terminal.output.includes("read failed"), `request ${number}`);
    }
  });

  requiresCompiler("a program that computes keeps all its registers", () => {
    for (const number of moments()) {
      using target = Target.start("session leader", [victim(REGISTERS_VICTIM)], (terminal) => {
        terminal.expect("ready");
      });
      killAt(target, number);
      for (let times = 0; times < 2; times++) {
        target.handle.signal(SIGUSR1);
        const [text] = target.terminal.expect(/rounds \d+ corrupt \d+/);
        assertMatch(text, /corrupt 0$/, `request ${number}`);
      }
    }
  });
});
