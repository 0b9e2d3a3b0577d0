/** Moved by the PID of a script's command: what ends the command ends the script, and its next line is not run. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { MovedJob, startOnTerminal, untilForeground, untilRunning } from "../support/jobs_moved.ts";
import { requires } from "../support/programs.ts";
import type { Terminal } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

/** The order of signals is a race where it is wrong. */
const TIMES = 10;

const ENDS: Readonly<Record<string, (moved: Terminal) => void>> = {
  "^C": (moved) => moved.press("^C"),
  "^\\": (moved) => moved.press("^\\"),
  "closing the new terminal": (moved) => moved.hangUp(),
};

/**
 * Move process `target` of those that run `commands`, of `argv` with the name of a folder and `words` behind it, and
 * `end` them. Nobody writes to that folder unless a script goes on.
 */
function assertEndsAll(
  argv: readonly string[],
  commands: readonly string[],
  target: number,
  end: (moved: Terminal) => void,
  ...words: string[]
): void {
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-ancestors-" });
  using cleanup = new DisposableStack();
  cleanup.defer(() => Deno.removeSync(folder, { recursive: true }));
  using old = startOnTerminal("foreground job", [...argv, folder, ...words]);
  const pids = untilRunning(old, commands);
  untilForeground(pids[0]!);
  pids.forEach((pid) => untilBlocked(pid));
  using job = new MovedJob(old, pids);
  using moved = job.move(pids[target]!);
  end(moved);
  for (const pid of pids) assert(job.handle(pid).waitForEnd(20_000), `Process ${pid} lives`);
  assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name), []);
}

for (const [what, end] of Object.entries(ENDS)) {
  describe(`${what} ends a script, moved by its command`, () => {
    afterEach(assertNoneLeft);

    for (const [shell, ...options] of [["bash", "--norc"], ["dash"]] as const) {
      // bash ignores SIGQUIT on every terminal: "Signals" in bash(1).
      if (shell === "bash" && what === "^\\") continue;
      requires(shell, "cat")(shell, () => {
        const argv = [shell, ...options, "-c", 'cat; echo on >> "$0/lines"'];
        for (let time = 0; time < TIMES; time++) assertEndsAll(argv, [shell, "cat"], 1, end);
      });
    }

    requires("dash", "cat")("in the middle of a chain of scripts", () => {
      const argv = ["dash", "-c", 'dash -c "$1" "$0/inner"; echo outer >> "$0/outer"'];
      for (let time = 0; time < TIMES; time++) {
        assertEndsAll(argv, ["dash", "dash", "cat"], 1, end, 'cat; echo on >> "$0"');
      }
    });
  });
}
