/** Full-screen programs through ^Z and fg: the screen is painted again, at the size that the window has then. */
import { assert } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { assertNoneLeft, PROMPT, RESTLESS, SHAPES } from "../support/e2e_target.ts";
import { MovedJob, startOnTerminal, untilRunning } from "../support/jobs_moved.ts";
import { continueBy, moveInShell, stopByKey } from "../support/jobs_shell.ts";
import { requires, VIM_ASKS_NOTHING } from "../support/programs.ts";
import { untilBlocked } from "../support/victim.ts";

const LINES = Array.from({ length: 200 }, (_, index) => `line ${index + 1} of the file`);

function textFile(cleanup: DisposableStack): string {
  const file = Deno.makeTempFileSync({ prefix: "e2e-text-" });
  cleanup.defer(() => Deno.removeSync(file));
  Deno.writeTextFileSync(file, `${LINES.join("\n")}\n`);
  return file;
}

describe("full-screen programs and ^Z", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    for (const resized of [false, true]) {
      const size = resized ? "resized meanwhile" : "at the same size";
      requires("less")(`less comes back ${size}: ${shape}`, () => {
        using cleanup = new DisposableStack();
        using old = startOnTerminal(shape, ["less", textFile(cleanup)]);
        old.expectScreen("line 1 of the file");
        const pids = untilRunning(old, ["less"]);
        untilBlocked(pids[0]!);
        using job = new MovedJob(old, pids, RESTLESS);
        using shell = moveInShell(job, pids[0]!, { rows: 24 });
        shell.expectScreen(({ lines }) => lines[0] === LINES[0] && lines[22] === LINES[22]);
        stopByKey(shell, job);
        shell.line("clear");
        shell.expectScreen(({ text }) => !text.includes("of the file"));
        const rows = resized ? 12 : 24;
        if (resized) shell.resize(rows, 80);
        continueBy(shell, "fg", job);
        shell.expectScreen(({ lines }) =>
          lines[0] === LINES[0] && lines[rows - 2] === LINES[rows - 2]
        );
        shell.type("G");
        shell.expectScreen(({ lines }) => lines[rows - 2] === LINES.at(-1));
        shell.type("q");
        shell.expect(PROMPT);
        shell.line('echo "status $?"');
        shell.expect("status 0\r\n");
      });
    }

    requires("vim")(`vim, which handles ^Z itself, stays as it is: ${shape}`, () => {
      using old = startOnTerminal(shape, ["vim", "--clean", "-n", ...VIM_ASKS_NOTHING]);
      old.expectScreen(/~\n~\n/);
      old.type("ia word");
      old.press("Escape");
      old.expectScreen("a word");
      const pids = untilRunning(old, ["vim"]);
      untilBlocked(pids[0]!);
      using job = new MovedJob(old, pids, RESTLESS);
      using shell = moveInShell(job, pids[0]!, { rows: 20 });
      shell.expectScreen(({ lines }) => lines[0] === "a word" && lines[18] === "~");
      shell.press("^Z");
      shell.type("oa second");
      shell.press("Escape");
      shell.expectScreen(({ lines }) => lines[0] === "a word" && lines[1] === "a second");
      shell.resize(14, 70);
      shell.expectScreen(({ lines }) => lines[1] === "a second" && lines[12] === "~");
      assert(!shell.output.includes("Stopped"));
      shell.line(":q!");
      shell.expect(PROMPT);
      shell.line('echo "status $?"');
      shell.expect("status 0\r\n");
    });
  }
});
