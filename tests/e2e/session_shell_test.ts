/** The shell that the target was a job of: it goes on without it, and its end is not the target's. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { SIGTSTP } from "../../src/ffi/constants.ts";
import { assertNoneLeft, PROMPT, RESTLESS, Target } from "../support/e2e_target.ts";
import { requires, requiresCompiler, victim, VIM_OPTIONS } from "../support/programs.ts";
import { type Terminal, waitUntil } from "../support/terminal.ts";
import { untilAllBlocked, untilState } from "../support/victim.ts";

function echoes(terminal: Terminal, text: string): void {
  terminal.line(text);
  terminal.expect(`${text}\r\n${text}\r\n`);
}

function startCat(): Target {
  return Target.start("foreground job", ["cat"], (terminal) => echoes(terminal, "before"));
}

/** Catches SIGHUP, says so, and ends. */
const CATCHES_HANGUP = `
import os, signal, sys
def hangup(*unused):
    os.write(int(sys.argv[1]), b"hung up")
    os._exit(9)
signal.signal(signal.SIGHUP, hangup)
print("ready", flush=True)
while True:
    signal.pause()
`;

describe("the shell that has the target as a job", () => {
  afterEach(assertNoneLeft);

  requires("cat")("sees it stopped, prompts, runs commands, and exits without ending it", () => {
    using cat = startCat();
    using moved = cat.move();
    const shell = cat.terminal;
    shell.expect(/Stopped +'cat'\r\n/);
    shell.expect(PROMPT);
    shell.line("echo $((6 * 7)); cat");
    shell.expect("\r42\r\n");
    waitUntil("another cat", () => /\(cat\)/.test(foregroundOf(shell.pid)));
    echoes(shell, "of the shell");
    shell.press("^C");
    shell.expect(PROMPT);
    echoes(moved, "of the target");

    shell.line("exit");
    shell.line("exit"); // after `There are stopped jobs.`
    assertEquals(shell.expectExit().kind, "exited");
    shell.expectEof();
    cat.expectAsBefore(moved);
    echoes(moved, "after the shell");
    moved.press("^D");
    cat.expectEnd(moved, 0);
  });

  requires("cat")("is hung up, and does not take the target with it", () => {
    using cat = startCat();
    using moved = cat.move();
    cat.terminal.hangUp();
    cat.terminal.expectExit();
    cat.expectAsBefore(moved);
    echoes(moved, "after the shell");
    moved.press("^D");
    cat.expectEnd(moved, 0);
  });

  requires("cat")("sends SIGHUP to its jobs by huponexit, and the target lives", () => {
    using cat = startCat();
    using moved = cat.move();
    cat.terminal.expect(/Stopped +'cat'\r\n/);
    cat.terminal.line("shopt -s huponexit; exec true");
    cat.terminal.expectExit();
    cat.expectAsBefore(moved);
    echoes(moved, "after the shell");
    moved.press("^C");
    cat.expectEnd(moved, 130);
  });

  requires("bash", "sleep")("has it in the background: the move puts it in the foreground", () => {
    using sleep = Target.fromShell("sleep 1000 &", (terminal) => {
      terminal.expect(/\[1\] \d+\r\n/);
      terminal.expect(PROMPT);
    });
    untilAllBlocked(sleep.pid);
    using moved = sleep.move();
    sleep.terminal.line("jobs; echo $((6 * 7))");
    assertMatch(sleep.terminal.expect(/jobs; echo[^]*\r?\n42\r\n/)[0], /Running +sleep 1000 &/);
    moved.press("^C");
    sleep.expectEnd(moved, 130);
  });

  requires("cat")("has it stopped, because it read in the background", () => {
    using cat = Target.fromShell("cat &", (terminal) => {
      const job = terminal.expect(/\[1\] (\d+)\r\n/)[1];
      terminal.expect(PROMPT);
      untilState(Number(job), "T");
    });
    using moved = cat.move();
    echoes(moved, "after");
    moved.press("^D");
    cat.expectEnd(moved, 0);
  });

  requires("cat")("has it stopped by ^Z: it goes on in the foreground of the new terminal", () => {
    using cat = startCat();
    cat.terminal.press("^Z");
    cat.terminal.expect(/Stopped +'cat'\r\n/);
    cat.terminal.expect(PROMPT);
    using moved = cat.move();
    echoes(moved, "after");
    cat.terminal.line("echo $((6 * 7))");
    cat.terminal.expect("\r42\r\n");
    moved.press("^D");
    cat.expectEnd(moved, 0);
  });

  requires("vim")("has vim stopped by ^Z: vim paints the new terminal", () => {
    const argv = ["vim", ...VIM_OPTIONS];
    using vim = Target.start("foreground job", argv, (terminal) => {
      terminal.expectScreen(/~\n~\n/);
      terminal.type("ia word");
      terminal.press("Escape");
      terminal.expectScreen("a word");
    }, { snapshot: RESTLESS, catchesAgain: SIGTSTP });
    vim.terminal.press("^Z");
    vim.terminal.expect(/Stopped +'vim'/);
    using moved = vim.move({ rows: 10 });
    moved.expectScreen(({ lines }) => lines[0] === "a word" && lines[8] === "~");
    moved.line(":q!");
    vim.expectEnd(moved, 0);
  });

  requiresCompiler("reaps it at once, and reptyr tells its exit status all the same", () => {
    using target = Target.start("foreground job", [victim("command")], (terminal) => {
      terminal.expect("ready");
    });
    using moved = target.move();
    moved.line("exit 42");
    target.expectEnd(moved, 42);
    target.terminal.line("echo $((6 * 7))");
    target.terminal.expect("\r42\r\n");
  });

  requires("python3")("does not keep the new terminal's SIGHUP from a target that lives on", () => {
    const file = Deno.makeTempFileSync({ prefix: "e2e-" });
    using cleanup = new DisposableStack();
    cleanup.defer(() => Deno.removeSync(file));
    const command = `python3 -c '${CATCHES_HANGUP}' 9 9> ${file}`;
    using target = Target.fromShell(command, (terminal) => {
      terminal.expect(/ready\r\n/);
    }, { snapshot: RESTLESS });
    untilAllBlocked(target.pid);
    using moved = target.move();
    moved.hangUp();
    moved.expectExit();
    assert(target.handle.waitForEnd(20_000));
    assertEquals(Deno.readTextFileSync(file), "hung up");
  });
});

function foregroundOf(shell: number): string {
  const tpgid = Deno.readTextFileSync(`/proc/${shell}/stat`).split(") ").at(-1)!.split(" ")[5]!;
  return Deno.readTextFileSync(`/proc/${tpgid}/stat`);
}
