/** `reptyr -l` and `reptyr -L`: a new terminal for programs that are told its name, or run on it. */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { childrenOf, descendantsOf } from "../support/child.ts";
import { assertNoneLeft, PROMPT, SHELL } from "../support/e2e_target.ts";
import { settingsOf, startOn } from "../support/input_run.ts";
import { untilRaw } from "../support/jobs_shell.ts";
import { requires } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilState } from "../support/victim.ts";

/** The name of the new terminal, as it is printed for scripts. */
function nameOn(terminal: Terminal): string {
  return terminal.expect(/Opened a new pty: (\/dev\/pts\/\d+)\r\n/)[1]!;
}

/** Wait until reptyr passes keys on. */
function untilServed(terminal: Terminal, settings: string): void {
  waitUntil("the user's terminal to be raw", () => settingsOf(terminal) !== settings);
}

/** Run `reptyr ARGS` on a terminal until it ends by itself, with `status`; the terminal is as it was then. */
function runToEnd(args: readonly string[], status: number): Terminal {
  const { terminal, settings } = startOn(args);
  assertEquals(terminal.expectExit(), { kind: "exited", status }, terminal.describe());
  assertEquals(settingsOf(terminal), settings, "The user's terminal is not as it was");
  return terminal;
}

describe("reptyr -L COMMAND", () => {
  afterEach(assertNoneLeft);

  const asking = 'test -t 0 && test -t 1 && test -t 2 && echo "$REPTYR_PTY $(tty)"; ' +
    'ps -o sid=,pgid=,tpgid=,tty= -p $$; stty size; read -r x; echo "got $x"; exit 7';

  requires("bash", "ps")("runs COMMAND on the terminal, as the leader of its session", () => {
    const { terminal, settings } = startOn(["-L", "bash", "-c", asking]);
    using _ = terminal;
    const name = nameOn(terminal);
    assertNotEquals(name, terminal.device);
    terminal.expect(`${name} ${name}\r\n`);
    const child = childrenOf(terminal.pid)[0]!;
    const [, sid, pgid, tpgid, tty] = terminal.expect(/ *(\d+) +(\d+) +(\d+) (pts\/\d+) *\r\n/);
    assertEquals([sid, pgid, tpgid].map(Number), [child, child, child]);
    assertEquals(`/dev/${tty}`, name);
    terminal.expect("24 80\r\n");
    terminal.line("hello");
    terminal.expect("hello\r\ngot hello\r\n");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 7 });
    assertEquals(settingsOf(terminal), settings);
    terminal.expectEof();
  });

  requires("bash")("leaves the options after COMMAND to COMMAND", () => {
    using terminal = runToEnd(["-L", "bash", "-c", 'echo "$0 $@"', "-l", "--version", "-h"], 0);
    terminal.expect("-l --version -h\r\n");
  });

  requires("seq")("passes on all output of COMMAND from before its end", () => {
    using terminal = runToEnd(["-L", "seq", "1", "20000"], 0);
    const lines = terminal.output.split("\r\n").filter((line) => /^\d+$/.test(line)).map(Number);
    assertEquals(lines, Array.from({ length: 20000 }, (_, index) => index + 1));
  });

  const ends: [string, number][] = [["exit 0", 0], ["exit 200", 200], ["kill -9 $$", 137]];
  for (const [script, status] of ends) {
    it(`ends with the status of COMMAND: ${script}`, () => {
      runToEnd(["-L", "sh", "-c", script], status)[Symbol.dispose]();
    });
  }

  requires("bash")("lets keys, ^C, ^Z and the window's size reach the foreground group", () => {
    const { terminal } = startOn(["-L", ...SHELL]);
    using _ = terminal;
    const name = nameOn(terminal);
    terminal.expect(PROMPT);
    terminal.line("sleep 1000");
    const sleep = waitUntil("sleep", () => {
      const shell = childrenOf(terminal.pid)[0]!;
      return childrenOf(shell).find((pid) => readStat(pid)?.comm === "sleep");
    });
    waitUntil("the foreground", () => readStat(sleep)?.tpgid === sleep);
    terminal.press("^Z");
    terminal.expect(/\[1\]\+ +Stopped/);
    untilState(sleep, "T");
    terminal.expect(PROMPT);
    terminal.line("fg");
    untilState(sleep, "S");
    terminal.press("^C");
    terminal.expect(PROMPT);
    terminal.resize(30, 90);
    const size = () => new Deno.Command("stty", { args: ["-F", name, "size"] }).outputSync().stdout;
    waitUntil("the size", () => new TextDecoder().decode(size()) === "30 90\n");
    terminal.line("exit 9");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 9 });
  });

  it("gives COMMAND a terminal with the settings and the size of the user's", () => {
    using terminal = new Terminal({ rows: 33, columns: 99 });
    const script = `stty erase ^H; exec '${reptyrPath}' -L stty -a`;
    terminal.spawn(["sh", "-c", script]);
    terminal.expect("rows 33; columns 99;");
    terminal.expect("erase = ^H;");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 0 });
  });

  it("sends COMMAND SIGHUP when a signal ends reptyr", () => {
    const script = 'trap "exit 0" HUP; echo ready; while :; do read -r x; done';
    const { terminal, settings } = startOn(["-L", "sh", "-c", script]);
    using _ = terminal;
    terminal.expect("ready");
    untilServed(terminal, settings);
    const shell = childrenOf(terminal.pid)[0]!;
    terminal.child.handle.signal(15);
    terminal.expect("reptyr: ended by SIGTERM");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 143 });
    assertEquals(settingsOf(terminal), settings);
    waitUntil("COMMAND to end", () => readStat(shell) === undefined);
  });
});

describe("reptyr -l COMMAND", () => {
  afterEach(assertNoneLeft);

  requires("bash", "tty")("runs COMMAND beside the terminal, with the name of the terminal", () => {
    const { terminal } = startOn(["-l", "bash", "-c", 'echo "$REPTYR_PTY $(tty)"; exit 6']);
    using _ = terminal;
    const name = nameOn(terminal);
    terminal.expect(`${name} ${terminal.device}`);
    assertEquals(terminal.expectExit(), { kind: "exited", status: 6 });
  });

  requires("bash", "cat")("passes the keyboard to the new terminal", () => {
    const script = 'cat <"$REPTYR_PTY" >"$REPTYR_PTY"; exit 4';
    const { terminal, settings } = startOn(["-l", "bash", "-c", script]);
    using _ = terminal;
    nameOn(terminal);
    untilServed(terminal, settings);
    waitUntil(
      "cat",
      () => descendantsOf(terminal.pid).some((pid) => readStat(pid)?.comm === "cat"),
    );
    terminal.line("hello");
    terminal.expect("hello\r\nhello\r\n");
    terminal.press("^D");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 4 });
    assertEquals(settingsOf(terminal), settings);
  });

  requires("bash")("stays for the programs that COMMAND has started on the terminal", () => {
    const later = 'exec 3<>"$REPTYR_PTY"; (read -r x <&3; echo "late $x" >&3) & exit 3';
    const { terminal, settings } = startOn(["-l", "bash", "-c", later]);
    using _ = terminal;
    untilServed(terminal, settings);
    waitUntil("COMMAND to end", () => childrenOf(terminal.pid).length === 0);
    terminal.line("hello");
    terminal.expect("late hello");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 3 });
  });

  it("ends at ^C while no program is on the terminal", () => {
    const { terminal, settings } = startOn(["-l", "sh", "-c", "exec sleep 1000"]);
    using _ = terminal;
    untilServed(terminal, settings);
    terminal.press("^C");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 130 });
    assertEquals(settingsOf(terminal), settings);
  });

  it("lets COMMAND act upon ^C without ending", () => {
    const script = 'trap "echo caught" INT; echo ready; sleep 1000; exit 8';
    const { terminal, settings } = startOn(["-l", "sh", "-c", script]);
    using _ = terminal;
    terminal.expect("ready");
    untilServed(terminal, settings);
    const sleeping = () =>
      descendantsOf(terminal.pid).some((pid) => readStat(pid)?.comm === "sleep");
    waitUntil("sleep", sleeping);
    terminal.press("^C");
    terminal.expect("caught");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 8 });
  });
});

describe("a COMMAND that cannot be run", () => {
  afterEach(assertNoneLeft);

  for (const option of ["-l", "-L"]) {
    const cases: [string, number, string][] = [
      ["/nonexistent/program", 127, "no such file or directory (ENOENT)"],
      ["reptyr-has-no-such-program", 127, "no such file or directory (ENOENT)"],
      ["/etc/passwd", 126, "permission denied (EACCES)"],
      ["/", 126, "permission denied (EACCES)"],
    ];
    for (const [command, status, why] of cases) {
      it(`is reported in one line: ${option} ${command}`, () => {
        using terminal = runToEnd([option, command, "argument"], status);
        const [, ...lines] = terminal.output.split("\r\n");
        assertEquals(lines, [`reptyr: Cannot run ${command}: ${why}`, ""]);
      });
    }
  }
});

describe("reptyr -l", () => {
  afterEach(assertNoneLeft);

  for (const option of ["-l", "-L"]) {
    it(`serves one program after the other, and ends by ^C: ${option}`, () => {
      const { terminal, settings } = startOn([option]);
      using _ = terminal;
      const name = nameOn(terminal);
      untilServed(terminal, settings);
      for (const word of ["one", "two", "three"]) {
        // As gdb does: a session of its own, whose end hangs the terminal up.
        const script = `exec setsid sh -c 'exec <${name} >${name} 2>&1; read -r x; echo "got $x"'`;
        using other = Terminal.start(["sh", "-c", `${script} & wait`]);
        waitUntil("the session", () =>
          descendantsOf(other.pid).some((pid) => {
            const stat = readStat(pid);
            return stat?.tpgid === pid && stat.session === pid;
          }));
        terminal.line(word);
        terminal.expect(`${word}\r\ngot ${word}\r\n`);
        assertEquals(other.expectExit(), { kind: "exited", status: 0 });
        assertEquals(terminal.child.status, undefined, terminal.describe());
      }
      terminal.press("^C");
      assertEquals(terminal.expectExit(), { kind: "exited", status: 130 });
      assertEquals(settingsOf(terminal), settings);
    });
  }

  for (const [signal, number] of [["SIGHUP", 1], ["SIGINT", 2], ["SIGTERM", 15]] as const) {
    it(`ends by ${signal}, and restores the terminal`, () => {
      const { terminal, settings } = startOn(["-l"]);
      using _ = terminal;
      untilServed(terminal, settings);
      terminal.child.handle.signal(number);
      assertEquals(terminal.expectExit(), { kind: "exited", status: 128 + number });
      assertEquals(settingsOf(terminal), settings);
    });
  }

  it("stops at ^Z, and goes on at fg", () => {
    using shell = Terminal.start(SHELL);
    shell.expect(PROMPT);
    shell.line(`${reptyrPath} -l`);
    nameOn(shell);
    untilRaw(shell);
    const reptyr = childrenOf(shell.pid)[0]!;
    shell.press("^Z");
    shell.expect(/\[1\]\+ +Stopped/);
    untilState(reptyr, "T");
    shell.expect(PROMPT);
    shell.line("fg");
    waitUntil("reptyr to go on", () => /[SR]/.test(readStat(reptyr)?.state ?? ""));
    untilRaw(shell);
    waitUntil("the foreground", () => readStat(reptyr)?.tpgid === readStat(reptyr)?.pgrp);
    shell.press("^C");
    shell.expect(PROMPT);
    shell.line('echo "status $?."');
    shell.expect("status 130.");
  });

  requires("gdb", "cat")("serves as gdb's inferior terminal, run after run, ^C included", () => {
    const { terminal, settings } = startOn(["-l"]);
    using _ = terminal;
    const name = nameOn(terminal);
    untilServed(terminal, settings);
    using gdb = Terminal.start(["gdb", "-q", "-nx", "-nh", "cat"], { label: "gdb" });
    gdb.expect("(gdb) ");
    const command = (line: string) => {
      gdb.line(line);
      gdb.expect("(gdb) ");
    };
    for (const line of ["set pagination off", "set confirm off", "set startup-with-shell off"]) {
      command(line);
    }
    command(`set inferior-tty ${name}`);
    const inferior = () =>
      waitUntil("the inferior on its terminal", () =>
        descendantsOf(gdb.pid).find((pid) => {
          const stat = readStat(pid);
          return stat?.comm === "cat" && stat.state === "S" && stat.tpgid === stat.pgrp;
        }));
    for (const word of ["one", "two"]) {
      gdb.line("run");
      gdb.expect("Starting program");
      inferior();
      terminal.line(word);
      terminal.expect(`${word}\r\n${word}\r\n`);
      terminal.press("^D");
      gdb.expect(/exited normally[^]*\(gdb\) /);
    }
    gdb.line("run");
    gdb.expect("Starting program");
    const pid = inferior();
    terminal.press("^C");
    gdb.expect(/received signal SIGINT[^]*\(gdb\) /);
    assertMatch(readStat(pid)?.state ?? "", /t/);
    assert(terminal.child.status === undefined, "reptyr has ended");
    command("kill");
    gdb.line("quit");
    gdb.expectExit();
    terminal.press("^C");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 130 });
    assertEquals(settingsOf(terminal), settings);
  });
});
