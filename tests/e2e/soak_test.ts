/**
 * One process with its child moved from terminal to terminal up to two hundred times, each time by another reptyr: nothing
 * adds up, in them or in reptyr.
 */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft, type Shape, SHAPES } from "../support/e2e_target.ts";
import { MovedJob, startOnTerminal, untilForeground, untilRunning } from "../support/jobs_moved.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import type { Terminal } from "../support/terminal.ts";
import { untilAllBlocked } from "../support/victim.ts";

/** Each takes a fifth of a second of processor time. REPTYR_SOAK_MOVES=200 has both shapes moved as often. */
const MOVES: Readonly<Record<Shape, number>> = { "session leader": 200, "foreground job": 80 };
const wantedMoves = Deno.env.get("REPTYR_SOAK_MOVES");

/** By then every page that a move may touch has been touched: the far end of the stack is. */
const WARM = 10;

/** Pages that the program itself first touches meanwhile, and the kernel's own way of counting in batches. */
const RSS_SLACK_KIB = 256;

/** Of what a reptyr holds: V8 collects its garbage when it likes. */
const REPTYR_SLACK = 0.1;

function residentKib(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]);
}

function descriptorsOf(pid: number): number {
  return Array.from(Deno.readDirSync(`/proc/${pid}/fd`)).length;
}

/** What is to be the same after many moves as after a few. */
function sizesOf(target: number, reptyr: number) {
  return {
    target: residentKib(target),
    reptyr: residentKib(reptyr),
    descriptors: descriptorsOf(reptyr),
  };
}

describe("a process that is moved again and again", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    requiresCompiler(`is finally what it was at first: ${shape}`, () => {
      using old = startOnTerminal(shape, [victim("soak")]);
      old.expect("ready");
      const name = victim("soak").split("/").at(-1)!;
      const pids = untilRunning(old, [name, name]);
      const [target] = pids as [number, number];
      untilForeground(target);
      untilAllBlocked(target);
      using job = new MovedJob(old, pids);
      using terminals = new DisposableStack();
      let before: { terminal: Terminal; stack: DisposableStack } | undefined;
      let warm: ReturnType<typeof sizesOf> | undefined;
      const moves = Number(wantedMoves ?? MOVES[shape]);
      for (let count = 1; count <= moves; count++) {
        const stack = terminals.use(new DisposableStack());
        const terminal = stack.use(job.move(target));
        terminal.line(`hello ${count}`);
        terminal.expect(`line: hello ${count}`);
        if (before !== undefined) {
          assertEquals(before.terminal.expectExit(), { kind: "exited", status: 0 });
          before.stack.dispose();
        }
        before = { terminal, stack };
        if (count === WARM) warm = sizesOf(target, terminal.pid);
      }
      const { terminal } = before!;
      const now = sizesOf(target, terminal.pid);
      const text = JSON.stringify([warm, now]);
      assert(now.target <= warm!.target + RSS_SLACK_KIB, text);
      assert(now.reptyr <= warm!.reptyr * (1 + REPTYR_SLACK), text);
      assertEquals(now.descriptors, warm!.descriptors, text);
      if (shape === "foreground job") {
        old.hangUp();
        old.expectExit();
      }
      // Mappings, descriptors, signal masks, dispositions, threads and children.
      job.expectAsBefore();
      terminal.line("end");
      job.expectEnd(terminal, 7);
    });
  }
});
