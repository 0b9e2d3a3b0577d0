/** A program that computes with all of its registers, vectors of any length included, keeps them. */
import { assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { kill } from "../../src/ffi/process.ts";
import { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";
import { Tracee } from "../../src/tracee/tracee.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import { REGISTERS_VICTIM, requiresCompiler, victim } from "../support/programs.ts";
import type { Terminal } from "../support/terminal.ts";
import { startVictim } from "../support/victim.ts";

const SIGUSR1 = 10;

/** It has found no register changed, neither in the round it is in, nor in one that it begins now. */
function assertSound(pid: number, terminal: Terminal): void {
  let end = 0;
  for (let rounds = 0; end === 0 || rounds < end;) {
    kill(pid, SIGUSR1);
    const [text, number] = terminal.expect(/rounds (\d+) corrupt \d+/);
    assertMatch(text, /corrupt 0$/);
    rounds = Number(number);
    if (end === 0) end = rounds + 2;
  }
}

function testMove(args: readonly string[]): void {
  const argv = [victim(REGISTERS_VICTIM), ...args];
  using target = Target.start("session leader", argv, (terminal) => {
    terminal.expect("ready");
  });
  using moved = target.move();
  assertSound(target.pid, moved);
}

describe("all registers of a program that computes", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("are unchanged after calls that we had it make", () => {
    using target = startVictim(REGISTERS_VICTIM);
    for (let times = 0; times < 20; times++) {
      using tracee = Tracee.seize(target.pid, { timeoutSeconds: 10 });
      using remote = RemoteSyscalls.begin(tracee);
      remote.write(Uint8Array.of(1, 2, 3));
    }
    assertSound(target.pid, target);
  });

  requiresCompiler("are unchanged after a move", () => testMove([]));

  const requiresSve = requiresCapability("sve", requiresCompiler);
  requiresSve("are unchanged after a move: vectors of 256 bytes", () => testMove(["256"]));

  const requiresSme = requiresCapability("sme", requiresCompiler);
  requiresSme("are unchanged after a move: streaming mode", () => testMove(["streaming"]));
});
