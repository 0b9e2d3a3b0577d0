/** `reptyr -T`: a terminal that `reptyr -l` or `-L` has made, and one whose shell has ended before its jobs. */
import { assert, assertEquals } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { childrenOf, descendantsOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { settingsOf, startOn } from "../support/input_run.ts";
import { requires, requiresCompiler } from "../support/programs.ts";
import { BASH, Emulator, Stolen } from "../support/steal.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";

function expectTaken(first: Terminal): void {
  first.expect(/reptyr: another reptyr has taken \/dev\/pts\/\d+ away from here\r*\n/);
}

describe("reptyr -T takes a terminal from reptyr", () => {
  afterEach(assertNoneLeft);

  requires("bash")("-L, which says so and ends", () => {
    const { terminal: first, settings } = startOn(["-L", ...BASH]);
    using _ = first;
    first.expect("$ ");
    using shell = new ProcessHandle(childrenOf(first.pid)[0]!);
    using stolen = Stolen.from(shell.pid);
    expectTaken(first);
    assertEquals(first.expectExit(), { kind: "exited", status: 0 });
    assertEquals(settingsOf(first), settings);
    stolen.ask("echo here", "here\r\n");
    stolen.ask("exit 5", /exit\r\n/);
    stolen.expectEnd(5);
  });

  requires("sh", "setsid", "cat")("-l, which says so and ends", () => {
    const { terminal: first, settings } = startOn(["-l"]);
    using _ = first;
    const name = first.expect(/Opened a new pty: (\/dev\/pts\/\d+)\r\n/)[1]!;
    using other = Terminal.start(["setsid", "-f", "-w", "sh", "-c", `exec cat <> ${name} >&0`]);
    const cat = waitUntil(
      "cat",
      () => descendantsOf(other.pid).find((pid) => readStat(pid)?.comm === "cat"),
    );
    using stolen = Stolen.from(cat);
    expectTaken(first);
    assertEquals(first.expectExit(), { kind: "exited", status: 0 });
    assertEquals(settingsOf(first), settings);
    stolen.ask("words", "words\r\nwords\r\n");
    stolen.terminal.press("^D");
    stolen.expectEnd(0);
  });

  requires("sh", "setsid", "cat")("-l COMMAND, which waits for the end of COMMAND", () => {
    const script = 'setsid cat <> "$REPTYR_PTY" >&0 & read -r x; echo "got $x"; exit 6';
    const { terminal: first, settings } = startOn(["-l", "sh", "-c", script]);
    using _ = first;
    const cat = waitUntil(
      "cat",
      () => descendantsOf(first.pid).find((pid) => readStat(pid)?.comm === "cat"),
    );
    using stolen = Stolen.from(cat);
    expectTaken(first);
    waitUntil("the terminal to be as it was", () => settingsOf(first) === settings);
    stolen.ask("words", "words\r\nwords\r\n");
    stolen.terminal.press("^D");
    stolen.expectEnd(0);
    first.line("line");
    first.expect("got line\r\n");
    assertEquals(first.expectExit(), { kind: "exited", status: 6 });
  });
});

describe("reptyr -T, when the shell has ended and a job of it stays", () => {
  afterEach(assertNoneLeft);

  requiresCompiler("says so, and ^C ends it", () => {
    using emulator = Emulator.start("poll");
    using stolen = Stolen.from(emulator.shell);
    const [, pid] = stolen.ask("sleep 1000 & echo job $!.", /job (\d+)\.\r\n/);
    using job = new ProcessHandle(Number(pid));
    stolen.ask("exit 3", /exit\r\n/);
    stolen.terminal.expect(/reptyr: the shell on \/dev\/pts\/\d+ has ended; other programs/);
    assert(!job.ended);
    stolen.terminal.press("^C");
    stolen.expectEnd(130);
    job.end();
  });
});

describe("signals that were ignored when reptyr -L was started", () => {
  afterEach(assertNoneLeft);

  requires("sh")("stay ignored, by COMMAND, too", () => {
    const { terminal } = startOn([
      "-L",
      "sh",
      "-c",
      'read -r x; kill -TERM $$; echo "lives"; exit 4',
    ], {
      prefix: ["sh", "-c", 'trap "" TERM; exec "$@"', "sh"],
    });
    using _ = terminal;
    terminal.expect("Opened a new pty");
    terminal.child.handle.signal(15);
    terminal.line("go");
    terminal.expect("lives\r\n");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 4 });
  });
});
