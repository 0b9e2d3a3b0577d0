import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { SIGINT, SIGTERM } from "../../src/ffi/constants.ts";
import { readCommand } from "../../src/proc/command.ts";
import { readFds } from "../../src/proc/fds.ts";
import { readStatus } from "../../src/proc/status.ts";
import { switchesOf } from "../support/input_run.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { describeEngines, Procout, procoutPath } from "../support/procout.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { SLEEP_CALLS, startVictim, untilBlocked } from "../support/victim.ts";

/** `procout WORDS` ends with `status` and says `message`, and nothing on stdout. */
function assertRefused(
  words: readonly (string | number)[],
  status: number,
  message: string | RegExp,
): void {
  using procout = Procout.start(words);
  procout.expectEnd(status);
  if (typeof message === "string") assertEquals(procout.stderr, `procout: ${message}\n`);
  else assertMatch(procout.stderr, message);
  assertEquals(procout.stdout, "");
}

/** A program that writes `line N` to 1 and `err N` to 2 for each line that it reads, and to others that `shell` opens. */
function startEcho(shell = "exec $VICTIM"): Terminal {
  const env = { VICTIM: victim("mirror_echo") };
  const terminal = Terminal.start(["sh", "-c", shell], { env });
  terminal.expect("ready");
  return terminal;
}

describeEngines("procout refuses, in one line,", (engine) => {
  afterEach(assertNoneLeft);

  it("a wrong command line", () => {
    const hint = "\nTry 'procout --help'";
    const table: [string[], string][] = [
      [[], "no PID given, and no COMMAND after '--'"],
      [["vim"], "'vim' is not a PID: it is not a number"],
      [["--format=xml", "1"], "'xml' is no format: one of raw, line, json, cast, hex is needed"],
      [["--engine=gdb", "1"], "'gdb' is no engine: one of auto, bpf, ptrace is needed"],
      [
        ["--fd=1,x", "1"],
        "'1,x' is no list of descriptors: numbers and ranges are needed, as in 1,2,5-7",
      ],
      [["-a", "1"], "option '--append' is for '--output'"],
      [["--"], "no COMMAND given after '--'"],
    ];
    for (const [words, message] of table) assertRefused(words, 2, message + hint);
  });

  it("what there is not", () => {
    assertRefused([4194304], 1, "Cannot watch process 4194304: no such process");
    assertRefused(
      ["--", "/nonexistent/x"],
      1,
      "Cannot run /nonexistent/x: no such file or directory",
    );
    assertRefused(["--", "/etc/passwd"], 1, "Cannot run /etc/passwd: permission denied");
  });

  it("a kernel thread", () => {
    assertRefused([2], 1, "Cannot watch process 2 ([kthreadd]): it is a kernel thread");
  });

  // The engine bpf mirrors it: procout_bpf_test.ts.
  const ofPtrace = engine === "ptrace" ? requires("cc", "strace") : () => {};
  ofPtrace("what is traced already, naming the tracer", () => {
    using target = startEcho();
    using tracer = Terminal.start(["strace", "-o", "/dev/null", "-p", `${target.pid}`]);
    waitUntil("strace", () => readStatus(target.pid)?.tracerPid !== 0);
    assertRefused(
      [target.pid],
      1,
      new RegExp(`already traced by process ${tracer.pid} \\(strace`),
    );
  });

  requiresCompiler("a thread, with the process to ask for", () => {
    using target = startVictim("threads");
    const tid = waitUntil(
      "a thread",
      () =>
        [...Deno.readDirSync(`/proc/${target.pid}/task`)].map(({ name }) => Number(name))
          .find((one) => one !== target.pid),
    );
    assertRefused([tid], 1, new RegExp(`it is a thread of process ${target.pid} `));
  });

  requiresCompiler("a file that cannot be written, before it touches the target", () => {
    using target = startEcho();
    assertRefused(
      ["-o", "FOLDER/none/file", target.pid],
      1,
      /^procout: Cannot write to \S+\/none\/file: no such file or directory\n$/,
    );
    assertEquals(readStatus(target.pid)?.tracerPid, 0);
  });
});

describeEngines("procout writes", (engine) => {
  afterEach(assertNoneLeft);

  requiresCompiler(
    "what goes to stdout and stderr to these, and to one file with --output and --append",
    () => {
      using target = startEcho();
      {
        using procout = Procout.watch(target.pid);
        target.line("");
        waitUntil("both", () => procout.stderr.includes("err 1\n"));
        procout.signal(SIGINT);
        procout.expectEnd();
        assertEquals([procout.stdout, procout.messages], ["line 1\n", "err 1\n"]);
      }
      using procout = Procout.watch(target.pid, ["-a", "-o", "FOLDER/mirror"]);
      Deno.writeTextFileSync(procout.path("mirror"), "before\n");
      target.line("");
      const mirror = () => new TextDecoder().decode(procout.bytes("mirror"));
      waitUntil("both", () => mirror().includes("err 2\n"));
      procout.signal(SIGINT);
      procout.expectEnd();
      assertEquals(mirror(), "before\nline 2\nerr 2\n");
      assertEquals(procout.stdout, "");
    },
  );

  requiresCompiler("until the disk is full, and lets the target go", () => {
    using target = startEcho();
    using procout = Procout.watch(target.pid, ["-o", "/dev/full"]);
    target.line("");
    procout.expectEnd(1);
    assertEquals(
      procout.messages,
      "procout: Cannot write to /dev/full: no space left on device (ENOSPC)\n",
    );
    target.line("");
    target.expect("err 2");
    assertEquals(readStatus(target.pid)?.tracerPid, 0);
  });

  requiresCompiler("until its reader has seen enough, and says nothing", () => {
    using target = startEcho();
    const script = `${procoutPath} --engine=${engine} -V ${target.pid} | head -1`;
    using shell = Terminal.start(["sh", "-c", script], { env: { NO_COLOR: "1" } });
    shell.expect("Watching");
    target.line("");
    target.expect("err 1");
    // The target writes nothing meanwhile.
    shell.expectExit();
    assertEquals(readStatus(target.pid)?.tracerPid, 0);
    target.line("");
    target.expect("err 2");
    assertEquals(shell.output.replace(/err \d\r\n|\[\+\].*\r\n/g, ""), "line 1\r\n");
  });

  requiresCompiler("only the descriptors asked for, and what is read", () => {
    using target = startEcho("exec $VICTIM 3>/dev/null");
    using procout = Procout.watch(target.pid, ["--fd=2-3", "-i", "--format=json"]);
    target.line("typed");
    procout.untilStdout("three");
    procout.signal(SIGINT);
    procout.expectEnd();
    const events = procout.stdout.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(events.map(({ kind, fd, text, pid }) => [kind, fd, text, pid]), [
      ["input", 0, "typed\n", target.pid],
      ["output", 2, "err 1\n", target.pid],
      ["output", 3, "three 1\n", target.pid],
    ]);
  });

  requiresCompiler("what a program writes to its terminal by other descriptors", () => {
    using target = startEcho("exec $VICTIM 3>/dev/tty 4>/dev/null 5>&2 6>$(tty)");
    using procout = Procout.watch(target.pid);
    target.line("");
    target.expect("six 1");
    waitUntil("all", () => procout.stdout.includes("six 1\n"));
    procout.signal(SIGINT);
    procout.expectEnd();
    assertEquals(procout.stdout, "line 1\nthree 1\nfive 1\nsix 1\n");
  });

  requiresCompiler(
    "stderr in red where it is shown on a terminal, unless NO_COLOR is set",
    () => {
      for (const env of [{}, { NO_COLOR: "1" }]) {
        using target = startEcho();
        using shown = Terminal.start([procoutPath, `--engine=${engine}`, "-V", `${target.pid}`], {
          env,
        });
        shown.expect("Watching");
        target.line("");
        shown.expect("err 1");
        const red = shown.output.includes("\x1b[31merr 1\r\n\x1b[39m");
        assertEquals(red, !("NO_COLOR" in env), JSON.stringify(shown.output));
        shown.press("^C");
        assertEquals(shown.expectExit(), { kind: "exited", status: 0 });
        assertEquals(readStatus(target.pid)?.tracerPid, 0);
      }
    },
  );

  it("the modes that a program has set on the terminal back, when it is left running", () => {
    const script = "printf '\\033[?1049h\\033[?25l\\033[1mmenu'; exec cat";
    using shown = Terminal.start([procoutPath, `--engine=${engine}`, "--", "sh", "-c", script]);
    shown.expect("menu");
    assert(shown.output.endsWith("\x1b[?1049h\x1b[?25l\x1b[1mmenu"), shown.output);
    shown.press("^C");
    shown.expectExit();
    const after = shown.output.slice(shown.output.indexOf("menu"));
    for (const back of ["\x1b[?1049l", "\x1b[?25h"]) {
      assert(after.includes(back), JSON.stringify(after));
    }
  });

  requires("python3")("what it can, and says what is lost", () => {
    // /dev/null takes what is in no memory.
    const script =
      "import mmap, os, sys\nf = open(sys.argv[1], 'r+b')\nm = mmap.mmap(f.fileno(), 0)\n" +
      "os.ftruncate(f.fileno(), 0)\nos.write(2, b'ready')\ninput()\nos.write(1, m)\nos.write(1, b'end')";
    const folder = Deno.makeTempDirSync({ prefix: "reptyr-pages-" });
    try {
      Deno.writeFileSync(`${folder}/source`, new Uint8Array(5000));
      const python = ["python3", "-c", script, `${folder}/source`];
      using target = Terminal.start(["sh", "-c", 'exec "$@" >/dev/null', "sh", ...python]);
      target.expect("ready");
      using procout = Procout.watch(target.pid, ["--stats"]);
      target.line("");
      procout.expectEnd(3);
      assertEquals(procout.stdout, "end");
      assertMatch(
        procout.messages,
        new RegExp(
          `^procout: 5000 bytes that process ${target.pid} wrote to descriptor 1 are lost: write: ` +
            "its memory could not be read any more\n" +
            `procout: 3 bytes, 1 write, lost bytes: 5000, engine: ${engine}, `,
        ),
      );
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });

  requiresCompiler("nothing, and does nothing, while the target does nothing", () => {
    using target = startEcho();
    using procout = Procout.watch(target.pid);
    target.line("");
    procout.untilStdout("line 1\n");
    // It waits for a moment whether more comes, then sleeps: no thread of it runs in ten looks in a row.
    let before = "";
    let still = 0;
    waitUntil("procout to sleep", () => {
      const now = switchesOf(procout.child.pid);
      still = now === before ? still + 1 : 0;
      before = now;
      return still >= 10;
    });
    target.line("");
    procout.untilStdout("line 2\n");
    procout.signal(SIGINT);
    procout.expectEnd();
  });

  it("lines and dumps for people", () => {
    using lines = Procout.start([
      "--format=line",
      "--",
      "sh",
      "-c",
      "printf 'a\\nb'; printf 'c\\n'",
    ]);
    lines.expectEnd();
    assertMatch(
      lines.stdout,
      /^\S+ \d+ 1 \| a\n\S+ \d+ 1 \| b\n\S+ \d+ 1 \+ c\n$/,
    );
    using hex = Procout.start(["--format=hex", "--", "printf", "hello"]);
    hex.expectEnd();
    assertMatch(
      hex.stdout,
      /^\S+ \d+ 1 wrote 5 bytes\n00000000 {2}68 65 6c 6c 6f .*\|hello\|\n$/,
    );
  });
});

describe("procout by ptrace writes", () => {
  afterEach(assertNoneLeft);

  requires("cc", "strace")("what it can on a kernel without process_vm_readv(2)", () => {
    using target = startEcho();
    using shown = Terminal.start([
      ...["strace", "-o", "/dev/null", "-e", "trace=process_vm_readv"],
      ...["-e", "inject=process_vm_readv:error=ENOSYS"],
      ...[procoutPath, "--engine=ptrace", "-V", "--stats", `${target.pid}`],
    ], { env: { NO_COLOR: "1" }, columns: 200 });
    shown.expect("Watching");
    target.line("");
    target.expect("err 1");
    shown.expect("line 1\r\n");
    shown.press("^C");
    shown.expect("13 bytes, 2 writes, lost bytes: 0");
    assertEquals(shown.expectExit(), { kind: "exited", status: 0 });
  });
});

describeEngines("procout -- COMMAND", (engine) => {
  afterEach(assertNoneLeft);

  it("ends as the command does", () => {
    const table: [string, number][] = [["exit 0", 0], ["exit 7", 7], ["kill -TERM $$", 143]];
    for (const [script, status] of table) {
      using procout = Procout.start([
        "--",
        "sh",
        "-c",
        `echo out; env echo err >&2; ${script}`,
      ]);
      procout.expectEnd(status);
      assertEquals([procout.stdout, procout.stderr], ["out\n", "err\n"]);
    }
  });

  it("has the outputs of its children apart, too, with --follow", () => {
    const script = "echo out; echo err >&2; (echo child >&2; :); echo piped | cat";
    for (const [options, stdout] of [[[], "piped\n"], [["-f"], "piped\npiped\n"]] as const) {
      using procout = Procout.start([...options, "--", "sh", "-c", script]);
      procout.expectEnd();
      assertEquals([procout.stdout, procout.stderr], [`out\n${stdout}`, "err\nchild\n"]);
    }
  });

  it("leaves it its own output with --output, and its environment and arguments as they are", () => {
    using procout = Procout.start(
      ["-o", "FOLDER/mirror", "--", "env", "-u", "_", "A= $B", "env"],
      {
        env: { LANG: "C" },
      },
    );
    procout.expectEnd();
    assertEquals(procout.bytes("mirror"), procout.bytes());
    assert(procout.stdout.includes("A= $B\n"), procout.stdout);
    const names = procout.stdout.trim().split("\n").map((line) => line.split("=")[0]!);
    assertEquals(names.sort(), ["A", "HOME", "LANG", "PATH", "TZ"]);
  });

  it("is not started when the mirror cannot be written", () => {
    assertRefused(
      ["-o", "FOLDER/none/file", "--", "touch", "FOLDER/started"],
      1,
      /^procout: Cannot write to \S+\/none\/file: no such file or directory\n$/,
    );
  });

  it("passes SIGTERM on", () => {
    using procout = Procout.start([
      "--",
      "sh",
      "-c",
      "trap 'echo caught; exit 5' TERM; echo on; " +
      "while :; do sleep 0.05; done",
    ]);
    procout.untilStdout("on\n");
    procout.signal(SIGTERM);
    procout.expectEnd(5);
    assertEquals(procout.stdout, "on\ncaught\n");
  });

  it("is a terminal's program: ^C, its size, and what it writes once", () => {
    const script = "trap 'echo caught; exit 4' INT; test -t 1 && test -t 2 && stty size <&1; " +
      "while :; do sleep 0.05; done";
    using terminal = Terminal.start(
      [procoutPath, `--engine=${engine}`, "--", "sh", "-c", script],
      {
        rows: 33,
        columns: 77,
      },
    );
    terminal.expect("33 77\r\n");
    terminal.press("^C");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 4 });
    assertEquals(terminal.output.replace(/\^C/, ""), "33 77\r\ncaught\r\n");
  });

  requires("bash", "head")(
    "has who writes to a reader that has gone hear of it, and none else",
    () => {
      const mirrored = `${procoutPath} --engine=${engine} --`;
      using shell = Terminal.start([
        "bash",
        "-c",
        `${mirrored} yes | head -1; echo "\${PIPESTATUS[*]}"`,
      ]);
      shell.expect("y\r\n141 0\r\n");
      shell.expectExit();
      const script = 'yes; echo "yes: $?" >/dev/tty; exit 5';
      using second = Terminal.start([
        "bash",
        "-c",
        `${mirrored} sh -c '${script}' | head -1; echo "\${PIPESTATUS[*]}"`,
      ]);
      second.expect("y\r\nyes: 141\r\n5 0\r\n");
      second.expectExit();
    },
  );

  it("shows a flood on a terminal to its end", () => {
    using terminal = Terminal.start([
      procoutPath,
      `--engine=${engine}`,
      "--",
      "sh",
      "-c",
      "seq 30000; head -c 300000 /dev/zero | tr '\\0' x; echo end",
    ]);
    terminal.expect("end\r\n", { timeoutMs: 60_000 });
    assertEquals(terminal.expectExit(), { kind: "exited", status: 0 });
    const numbers = Array.from({ length: 30000 }, (_, index) => `${index + 1}\r\n`).join("");
    assertEquals(terminal.output.length, numbers.length + 300_000 + 5);
    assert(terminal.output.startsWith(numbers));
  });

  it("begins with the first instruction, and leaves nothing open in the command", () => {
    using procout = Procout.start([
      "--",
      "sh",
      "-c",
      "echo pid $$; exec sleep 1000",
    ]);
    procout.untilStdout("pid ");
    const target = Number(/pid (\d+)/.exec(procout.stdout)![1]);
    waitUntil("sleep", () => readCommand(target)?.startsWith("sleep"));
    // It sleeps in other calls, too, while it opens its locale.
    waitUntil("it to sleep", () => SLEEP_CALLS.has(untilBlocked(target)));
    // Whoever runs the tests may leave something open in everybody.
    const inherited = new Set(
      readFds(Deno.pid, Deno.pid)?.map(({ fd, link }) => `${fd} ${link}`),
    );
    const others = readFds(target, target)?.filter(({ fd, link }) =>
      fd > 2 && !inherited.has(`${fd} ${link}`)
    );
    assertEquals(others, []);
    procout.signal(SIGTERM);
    procout.expectEnd(143);
  });
});
