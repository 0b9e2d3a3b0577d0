import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { afterEach, describe, it } from "@std/testing/bdd";
import { getTermios } from "../../src/tty/termios.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { descendantsOf, ProcessHandle } from "../support/child.ts";
import { assertNoneLeft, SHAPES } from "../support/e2e_target.ts";
import { isMoved, linesOf, startDetached, switchesOf } from "../support/input_run.ts";
import { requires } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { move, Script, start } from "../support/scripts_run.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { readStat } from "../../src/proc/stat.ts";

const mounting = requiresCapability("mountns", requires("unshare"));

const SIGHUP = 1;
const SIGTERM = 15;

/** A folder that is deleted at the end. */
function folder(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "reptyr-scripts-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** Lines of many lengths, longer ones than a terminal's line editor takes among them. */
function manyLines(length: number): string {
  const lines: string[] = [];
  for (let left = length, index = 0; left > 0; index++) {
    const count = Math.min(left - 1, index % 97 === 0 ? 4000 + index % 9000 : (index * 37) % 200);
    lines.push(String.fromCharCode(97 + index % 26).repeat(count));
    left -= count + 1;
  }
  return lines.join("\n") + "\n";
}

/** Let a second pass by the clock of a process of its own. */
function letASecondPass(): void {
  using clock = startDetached(["sleep", "1"]);
  waitUntil("a second to pass", () => clock.handle.ended, {
    descriptors: [clock.handle.descriptor],
  });
}

/** User and system time of all threads, in clock ticks: fields 14 and 15 of proc_pid_stat(5). */
function ticksOf(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Rows and columns of the terminal of `pid`. */
function sizeOf(pid: number): string {
  const args = ["size", "-F", `/proc/${pid}/fd/0`];
  return new TextDecoder().decode(new Deno.Command("stty", { args }).outputSync().stdout).trim();
}

describe("reptyr with other things than a pipe", () => {
  afterEach(assertNoneLeft);

  for (const redirection of ["</dev/null", "<&-"]) {
    for (const shape of SHAPES) {
      it(`types end of file for ${redirection}: ${shape}`, () => {
        using target = start(shape, "exec cat");
        using script = Script.start(target.pid, { redirections: redirection });
        script.expectEnd(0);
        assertEquals(script.output, "");
        assert(target.handle.ended);
      });
    }
  }

  it("types a file, writes to the end of another, and leaves both shared offsets to the kernel", () => {
    using target = start("foreground job", "exec cat");
    using here = folder();
    const [input, output] = [join(here.path, "input"), join(here.path, "output")];
    Deno.writeTextFileSync(input, "from a file\nand no newline");
    Deno.writeTextFileSync(output, "there before\n");
    const line = `{ "$0" "$1"; echo after; cat; } <"$2" >>"$3"`;
    using script = Script.run(["sh", "-c", line, reptyrPath, `${target.pid}`, input, output]);
    script.expectEnd(0);
    const text = Deno.readTextFileSync(output);
    assertEquals(text, "there before\nfrom a file\nand no newlineafter\n");
  });

  it("types end of file when the writer of a named pipe has gone", () => {
    using target = start("foreground job", "exec cat");
    using here = folder();
    const fifo = join(here.path, "fifo");
    const line = `mkfifo "$2"; (echo through a fifo >"$2") & exec "$0" "$1" <"$2"`;
    using script = Script.run(["sh", "-c", line, reptyrPath, `${target.pid}`, fifo]);
    script.expectEnd(0);
    assertEquals(script.output, "through a fifo\n");
  });

  requires("python3")("reads and writes a socket", () => {
    using target = start("foreground job", "exec cat");
    const program = `
import socket, subprocess, sys
ours, theirs = socket.socketpair()
child = subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=theirs)
theirs.close()
ours.sendall(b"through a socket\\n" * 5000)
ours.shutdown(socket.SHUT_WR)
count = 0
while chunk := ours.recv(65536):
    count += len(chunk)
print(count, child.wait())
`;
    using script = Script.run(["python3", "-c", program, reptyrPath, `${target.pid}`]);
    script.expectEnd(0);
    assertEquals(script.output, `${17 * 5000} 0\n`);
  });

  it("says that its input cannot be read, and treats that as end of file", () => {
    using target = start("foreground job", "exec cat");
    using script = Script.start(target.pid, { redirections: "</" });
    const line =
      "reptyr: cannot read standard input, as if it ended here: is a directory (EISDIR)\n";
    script.expectEnd(0, line);
  });

  it("makes a terminal of the usual size, without echo or carriage returns", () => {
    using target = start("session leader", "read x; stty size; stty -a; exit 0");
    using script = move(target, { args: ["--verbose"] });
    script.write("go\n");
    waitUntil("the end", () => script.output.includes("echoke"));
    assertMatch(script.output, /^24 80\n/);
    assertMatch(script.output, /^isig icanon iexten -echo /m);
    assertMatch(script.output, /^opost .* -onlcr /m);
    waitUntil("reptyr to end", () => script.child.status !== undefined);
    assertMatch(script.errors, /^\[\+\] Opened a new pty: \/dev\/pts\/\d+\n/);
  });
});

describe("reptyr with much to read or write", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    it(`types 5 MB of lines and loses none: ${shape}`, () => {
      using target = start(shape, "exec cksum");
      const text = manyLines(5_000_000);
      using here = folder();
      const file = join(here.path, "text");
      Deno.writeTextFileSync(file, text);
      const { stdout } = new Deno.Command("sh", { args: ["-c", `cksum <"$0"`, file] }).outputSync();
      using script = move(target);
      script.write(text);
      script.endInput();
      script.expectEnd(0);
      assertEquals(script.output, new TextDecoder().decode(stdout));
    });
  }

  it("carries 5 MB there and back", () => {
    using target = start("foreground job", "exec cat");
    using script = move(target);
    const text = manyLines(5_000_000);
    script.write(text);
    script.endInput();
    script.expectEnd(0);
    assertEquals(script.output.length, text.length);
    assert(script.output === text);
  });

  it("handles signals while its output is not read", () => {
    using target = start("session leader", "read go; exec yes");
    using script = move(target);
    script.write("go\n");
    waitUntil("the writer to be held back", () => {
      const before = switchesOf(target.pid);
      letASecondPass();
      return switchesOf(target.pid) === before;
    });
    script.child.handle.signal(SIGTERM);
    waitUntil("reptyr to end", () => script.child.status !== undefined);
    assertEquals(script.child.status, { kind: "exited", status: 143 });
    assertStringIncludes(script.errors, "reptyr: ended by SIGTERM: process ");
  });
});

describe("reptyr with its input at its end", () => {
  afterEach(assertNoneLeft);

  it("rests while the target lives on", () => {
    using target = start("foreground job", "cat; sleep 1000");
    using script = move(target);
    script.endInput();
    waitUntil("the target to have read the end", () => {
      const pids = Deno.readTextFileSync(`/proc/${target.pid}/task/${target.pid}/children`).trim();
      return pids !== "" && readStat(Number(pids))?.comm === "sleep";
    });
    let before = "";
    waitUntil("a second in which no thread of reptyr runs", () => {
      before = switchesOf(script.child.pid);
      letASecondPass();
      return switchesOf(script.child.pid) === before;
    });
    const ticks = ticksOf(script.child.pid);
    letASecondPass();
    assertEquals(ticksOf(script.child.pid), ticks);
    script.child.handle.signal(SIGTERM);
    waitUntil("reptyr to end", () => script.child.status !== undefined);
  });

  const inputs: [string, string][] = [
    ["all of it typed", `seq 5000 | "$0" "$1"`],
    ["some of it in a pipe whose writer has gone", `seq 20000 | "$0" "$1"`],
    ["most of it in a file", `seq 100000 >"$2"; "$0" "$1" <"$2"; exit 0`],
  ];
  for (const [name, line] of inputs) {
    it(`does not spin while the target does not read: ${name}`, () => {
      using target = start("session leader", "sleep 1000");
      const oldTty = target.stat.ttyNr;
      using here = folder();
      const file = join(here.path, "numbers");
      using script = Script.run(["sh", "-c", line, reptyrPath, `${target.pid}`, file]);
      waitUntil("the move", () => isMoved(target.pid, oldTty));
      const reptyr = descendantsOf(script.child.pid).find((pid) =>
        readStat(pid)?.comm === "reptyr"
      );
      assert(reptyr !== undefined, "No reptyr runs");
      letASecondPass();
      letASecondPass();
      const ticks = ticksOf(reptyr);
      letASecondPass();
      letASecondPass();
      const used = ticksOf(reptyr) - ticks;
      assert(used <= 5, `${used} clock ticks of two seconds`);
      using handle = new ProcessHandle(reptyr);
      handle.signal(SIGTERM);
      waitUntil("reptyr to end", () => handle.ended);
      waitUntil("the script to end", () => script.child.status !== undefined);
    });
  }
});

describe("reptyr whose output is not read", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    it(`ends quietly, and hangs up, when its reader closes the pipe: ${shape}`, () => {
      using target = start(shape, "exec cat");
      using script = move(target);
      script.write("one\n");
      script.expect("one\n");
      script.closeOutput();
      script.expectEnd(141);
      waitUntil("the target to end", () => target.handle.ended);
    });
  }

  it("leaves a target running that ignores SIGHUP", () => {
    using target = start("session leader", "trap '' HUP; cat; exec sleep 1000");
    using script = move(target);
    // Moved with it, cat is left without a controlling terminal.
    assertMatch(script.errors, /^reptyr: warning: Process \d+, in the session of .*\n$/);
    script.closeOutput();
    script.expectEnd(141, script.errors);
    waitUntil("the target to go on", () => readStat(target.pid)?.comm === "sleep");
    assert(!target.handle.ended);
  });

  it("gives `| head -1` its line", () => {
    using target = start("foreground job", "while read x; do echo got $x; done");
    const line = `{ seq 100000; sleep 1000; } | "$0" "$1" | head -1`;
    using script = Script.run(["sh", "-c", line, reptyrPath, `${target.pid}`]);
    script.expect("got 1\n");
    waitUntil("the target to end", () => target.handle.ended);
    assertEquals([script.output, script.errors], ["got 1\n", ""]);
  });

  it("hangs the job up with --hangup, and says why it cannot write", () => {
    using target = start("foreground job", "exec cat");
    using script = Script.start(target.pid, { args: ["--hangup"], redirections: ">/dev/full" });
    script.write("one\n");
    script.expectEnd(
      1,
      "reptyr: cannot write standard output: no space left on device (ENOSPC): " +
        `process ${target.pid} is told that its terminal hangs up\n`,
    );
    waitUntil("the target to end", () => target.handle.ended);
  });
});

const LOST = (reason: string) =>
  `reptyr: cannot write standard output: ${reason}; output is dropped until it takes bytes again\n`;

const FULL = LOST("no space left on device (ENOSPC)");

describe("reptyr on a full disk", () => {
  afterEach(assertNoneLeft);

  for (const shape of SHAPES) {
    it(`drops the output, reports how much, and ends with the status of the job: ${shape}`, () => {
      using target = start(shape, "cat; exit 7");
      using script = move(target, { redirections: ">/dev/full" });
      script.write("one\n");
      // The warning that a member of a whole session gets.
      const before = script.errors.replace(FULL, "");
      waitUntil("the message", () => script.errors === before + FULL);
      script.write("two\n");
      script.endInput();
      script.expectEnd(7, `${before}${FULL}reptyr: 8 bytes of output were dropped\n`);
    });
  }

  mounting("writes again when the disk has room", () => {
    using target = start("foreground job", "exec cat");
    using here = folder();
    const program =
      `mount -t tmpfs -o size=16k none "$2" && cd "$2" && head -c 16384 /dev/zero >filler &&
      exec "$0" "$1" >>log`;
    const words = [
      "unshare",
      "--mount",
      "sh",
      "-c",
      program,
      reptyrPath,
      `${target.pid}`,
      here.path,
    ];
    using script = Script.run(words);
    script.write("one\n");
    waitUntil("the message", () => script.errors === FULL);
    const there = `/proc/${script.child.pid}/cwd`;
    Deno.removeSync(join(there, "filler"));
    script.write("two\n");
    waitUntil("the line", () => Deno.readTextFileSync(join(there, "log")) === "two\n");
    script.endInput();
    script.expectEnd(0, `${FULL}reptyr: 4 bytes of output were dropped\n`);
  });
});

describe("reptyr with signals that are ignored for it", () => {
  afterEach(assertNoneLeft);

  it("survives a hang-up under nohup", () => {
    using target = start("foreground job", "cat; exit 3");
    const line = `trap '' HUP; exec "$0" "$1"`;
    using script = Script.run(["sh", "-c", line, reptyrPath, `${target.pid}`]);
    script.write("one\n");
    script.expect("one\n");
    script.child.handle.signal(SIGHUP);
    script.write("two\n");
    script.endInput();
    script.expectEnd(3);
    assertEquals(script.output, "one\ntwo\n");
  });
});

describe("reptyr with one of its sides on a terminal", () => {
  afterEach(assertNoneLeft);

  function startOn(terminal: Terminal, line: string, pid: number): void {
    terminal.spawn(["sh", "-c", line, reptyrPath, `${pid}`]);
  }

  it("types the input of a pipe, and shows the output on the terminal", () => {
    using target = start("foreground job", "exec cat");
    using terminal = new Terminal({ label: "reptyr", rows: 30, columns: 100 });
    const settings = getTermios(terminal.master).bytes;
    startOn(terminal, `printf 'one\\ntwo' | "$0" "$1"; echo status $?`, target.pid);
    terminal.expect("one\r\ntwostatus 0\r\n");
    terminal.expectExit();
    assertEquals(terminal.output, "one\r\ntwostatus 0\r\n");
    assertEquals(getTermios(terminal.master).bytes, settings);
  });

  it("reads keys, and writes to a pipe", () => {
    using target = start("foreground job", "exec cat");
    const oldTty = target.stat.ttyNr;
    using terminal = new Terminal({ label: "reptyr", rows: 30, columns: 100 });
    const settings = getTermios(terminal.master).bytes;
    using here = folder();
    const log = join(here.path, "log");
    startOn(terminal, `"$0" "$1" | tee ${log}; echo done`, target.pid);
    waitUntil("the move", () => isMoved(target.pid, oldTty));
    terminal.line("a line");
    terminal.expect("a line\r\na line\r\n");
    assertEquals(sizeOf(target.pid), "30 100");
    terminal.resize(20, 70);
    waitUntil("the size", () => sizeOf(target.pid) === "20 70");
    using handle = new ProcessHandle(target.pid);
    terminal.press("^C");
    terminal.expect("^C");
    terminal.expect("done\r\n");
    assert(handle.ended);
    assertEquals(linesOf(terminal.output), ["a line", "a line", "^Cdone"]);
    assertEquals(Deno.readTextFileSync(log), "a line\na line\n^C");
    assertEquals(getTermios(terminal.master).bytes, settings);
  });

  it("notices that the terminal it writes to is closed", () => {
    using target = start("session leader", "cat; exec sleep 1000");
    const oldTty = target.stat.ttyNr;
    const terminal = new Terminal({ label: "reptyr" });
    using _ = terminal;
    startOn(terminal, `trap '' HUP; exec "$0" "$1" </dev/null`, target.pid);
    waitUntil("the move", () => isMoved(target.pid, oldTty));
    waitUntil("the target to read the end", () => readStat(target.pid)?.comm === "sleep");
    terminal.hangUp();
    waitUntil("the target to end", () => target.handle.ended);
  });
});
