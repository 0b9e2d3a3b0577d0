/** One process moved from terminal to terminal two hundred times, each time by another reptyr: nothing adds up. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import { requiresCompiler, victim } from "../support/programs.ts";
import type { Terminal } from "../support/terminal.ts";
import { untilAllBlocked } from "../support/victim.ts";

const MOVES = 200;

/** By then every page that a move may touch has been touched: the far end of the stack is. */
const WARM = 10;

/** Pages that the program itself first touches meanwhile, and the kernel's own way of counting in batches. */
const RSS_SLACK_KIB = 256;

function residentKib(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]);
}

describe("a process that is moved two hundred times", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("is at last what it was at first", () => {
    using target = Target.start("session leader", [victim("soak")], (terminal) => {
      terminal.expect("ready");
      untilAllBlocked(terminal.pid);
    });
    using terminals = new DisposableStack();
    let before: { terminal: Terminal; stack: DisposableStack } | undefined;
    let resident = 0;
    for (let count = 1; count <= MOVES; count++) {
      const stack = terminals.use(new DisposableStack());
      const terminal = stack.use(target.move());
      terminal.line(`hello ${count}`);
      terminal.expect(`line: hello ${count}`);
      if (before !== undefined) {
        assertEquals(before.terminal.expectExit(), { kind: "exited", status: 0 });
        before.stack.dispose();
      }
      before = { terminal, stack };
      if (count === WARM) resident = residentKib(target.pid);
    }
    const { terminal } = before!;
    const now = residentKib(target.pid);
    assert(now <= resident + RSS_SLACK_KIB, `${resident} KiB have become ${now} KiB`);
    // Mappings, descriptors, signal masks, dispositions, threads and children.
    target.expectAsBefore(terminal);
    terminal.line("end");
    target.expectEnd(terminal, 7);
  });
});
