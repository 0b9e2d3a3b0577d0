/** `procout -- COMMAND` as a job of a shell, and what another program makes of its recording. */
import { assertEquals } from "@std/assert";
import { afterEach } from "@std/testing/bdd";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { describeEngines, Procout, procoutPath } from "../support/procout.ts";
import { requires } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { untilBlocked } from "../support/victim.ts";

describeEngines("procout as a job of a shell", (engine) => {
  afterEach(assertNoneLeft);

  requires("bash", "cat")("stops with its command by ^Z, and both go on by fg", () => {
    using terminal = Terminal.start(["bash", "--norc"]);
    terminal.expect("$ ");
    terminal.line(`${procoutPath} --engine=${engine} -- sh -c 'echo pid $$; exec cat'`);
    terminal.expect(/pid \d+\r\n/);
    const command = Number(/pid (\d+)/.exec(terminal.output)![1]);
    for (const word of ["one", "two"]) {
      terminal.line(word);
      terminal.expect(`${word}\r\n${word}\r\n`);
      untilBlocked(command);
      terminal.press("^Z");
      terminal.expect(/Stopped[^\n]*\n[^]*\$ $/);
      waitUntil("the stop", () => /[tT]/.test(readStat(command)?.state ?? ""));
      terminal.line("fg");
      terminal.expect(/fg\r\n[^\n]*procout --engine[^\n]*\n/);
    }
    terminal.line("three");
    terminal.expect("three\r\nthree\r\n");
    terminal.press("^D");
    terminal.expect(/\$ $/);
    terminal.line("echo status $?");
    terminal.expect("status 0\r\n");
    terminal.line("exit");
    terminal.expectExit();
    for (const word of ["one", "two", "three"]) {
      assertEquals(terminal.output.match(new RegExp(`^${word}\r$`, "gm"))?.length, 2, word);
    }
  });
});

/** A shell whose job procout is, watching `target` by now. */
function shellWatching(target: Terminal, engine: string): Terminal {
  const shell = Terminal.start(["bash", "--norc"]);
  shell.expect("$ ");
  shell.line(`${procoutPath} -V --engine=${engine} ${target.pid}`);
  shell.expect("Watching ");
  return shell;
}

describeEngines("procout PID as a job of a shell", (engine) => {
  afterEach(assertNoneLeft);

  requires("bash", "cat")("holds up no target while stopped, and watches again after fg", () => {
    using target = Terminal.start(["cat"]);
    untilBlocked(target.pid);
    using shell = shellWatching(target, engine);
    for (const round of ["one", "two"]) {
      target.line(`before ${round}`);
      shell.expect(`before ${round}\r\n`);
      shell.press("^Z");
      shell.expect(/Stopped[^\n]*\n[^]*\$ $/);
      assertEquals(readStatus(target.pid)?.tracerPid, 0);
      target.line(`unseen ${round}`);
      target.expect(`unseen ${round}\r\nunseen ${round}\r\n`);
      shell.line("fg");
      shell.expect(engine === "ptrace" ? /nothing was watched[^]*Watching / : `unseen ${round}`);
    }
    target.line("at last");
    shell.expect("at last\r\n");
    shell.press("^C");
    shell.expect(/\$ $/);
    shell.line("echo status $?");
    shell.expect("status 0\r\n");
    assertEquals(shell.output.includes("unseen"), engine === "bpf");
    target.press("^D");
    assertEquals(target.expectExit(), { kind: "exited", status: 0 });
    shell.line("exit");
    shell.expectExit();
  });

  requires("bash", "cat")("ends after fg when its targets have ended meanwhile", () => {
    using target = Terminal.start(["cat"]);
    untilBlocked(target.pid);
    using shell = shellWatching(target, engine);
    shell.press("^Z");
    shell.expect(/Stopped[^\n]*\n[^]*\$ $/);
    target.press("^D");
    assertEquals(target.expectExit(), { kind: "exited", status: 0 });
    shell.line("fg");
    shell.expect(/fg\r\n[^]*\$ $/);
    shell.line("echo status $?");
    shell.expect("status 0\r\n");
    shell.line("exit");
    shell.expectExit();
  });
});

describeEngines("a full-screen program in procout", (engine) => {
  afterEach(assertNoneLeft);

  requires("bash")("resets the screen before the shell sees it stop", () => {
    // As vim does: it takes ^Z as a key, and stops its whole group itself once it has put the screen right.
    const program = 'stty raw -echo; printf "\\033[?1049hPICTURE"; head -c 1 >/dev/null; ' +
      'i=0; while [ $i -lt 300 ]; do echo "row $i"; i=$((i+1)); done; ' +
      'printf "\\033[?1049lRIGHT"; stty sane; kill -TSTP 0; echo BACK';
    using shell = Terminal.start(["bash", "--norc"]);
    shell.expect("$ ");
    for (let times = 0; times < 5; times++) {
      shell.line(`${procoutPath} --engine=${engine} -- sh -c '${program}'`);
      shell.expect("\x1b[?1049hPICTURE");
      shell.press("^Z");
      shell.expect("\x1b[?1049lRIGHT");
      shell.expect(/Stopped[^]*\$ $/);
      shell.line("fg");
      shell.expect(/fg\r\n[^]*BACK\s[^]*\$ $/);
    }
    shell.line("exit");
    shell.expectExit();
  });
});

describeEngines("asciinema", () => {
  afterEach(assertNoneLeft);

  requires("asciinema")("shows a recording as the terminal showed the program", () => {
    const script = "printf 'caf\\303'; printf '\\251 \\033[1mbold\\033[0m\\n'; printf '\\377\\n'";
    using procout = Procout.start(["--format=cast", "-o", "FOLDER/cast", "--", "sh", "-c", script]);
    procout.expectEnd();
    using player = Terminal.start(["asciinema", "cat", procout.path("cast")]);
    assertEquals(player.expectExit(), { kind: "exited", status: 0 });
    // The player's own terminal adds a carriage return to those in the recording.
    assertEquals(player.output.replace(/\r+/g, ""), "café \x1b[1mbold\x1b[0m\n\ufffd\n");
  });
});
