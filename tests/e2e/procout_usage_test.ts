import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { SIGINT } from "../../src/ffi/constants.ts";
import { readStatus } from "../../src/proc/status.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { switchesOf } from "../support/input_run.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { assertRefused, describeEngines, Procout, procoutPath } from "../support/procout.ts";
import { KTHREADD } from "../support/probes/kernel.ts";
import { requires, requiresCompiler, victim } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { startVictim } from "../support/victim.ts";

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

  it("a process that does not exist", () => {
    assertRefused([4194304], 1, "Cannot watch process 4194304: no such process");
  });

  it("a command that cannot be run, with the exit status of a shell", () => {
    const missing = "no such file or directory (ENOENT)";
    const forbidden = "permission denied (EACCES)";
    const table: [string, number, string][] = [
      ["/nonexistent/x", 127, missing],
      ["procout-has-no-such-program", 127, missing],
      ["/etc/passwd/x", 127, "not a directory (ENOTDIR)"],
      ["/etc/passwd", 126, forbidden],
      ["/", 126, forbidden],
    ];
    for (const [command, status, why] of table) {
      assertRefused(["--", command, "argument"], status, `Cannot run ${command}: ${why}`);
    }
  });

  requiresCapability("kthreads")("a kernel thread", () => {
    const why = `Cannot watch process ${KTHREADD} ([kthreadd]): it is a kernel thread`;
    assertRefused([KTHREADD], 1, why);
  });

  // The engine bpf mirrors it: procout_bpf_test.ts.
  const ofPtrace = engine === "ptrace" ? requires("cc", "strace") : () => {};
  ofPtrace("a process that is traced already, naming the tracer", () => {
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
    "stdout and stderr to its own, and to one file with --output and --append",
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

  requiresCompiler("until its reader closes the pipe, and says nothing", () => {
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

  requiresCompiler("only the descriptors asked for, and input when asked for", () => {
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

  requiresCompiler("the output of a program to its terminal by other descriptors", () => {
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
    "stderr in red on a terminal, unless NO_COLOR is set",
    () => {
      for (const env of [{}, { NO_COLOR: "1" }]) {
        using target = startEcho();
        using shown = Terminal.start([procoutPath, `--engine=${engine}`, "-V", `${target.pid}`], {
          env,
        });
        shown.expect("Watching");
        target.line("");
        shown.expect("err 1");
        shown.press("^C");
        assertEquals(shown.expectExit(), { kind: "exited", status: 0 });
        // A terminal passes a line's end on by itself: only now is all that was written here.
        const red = shown.output.includes("\x1b[31merr 1\r\n\x1b[39m");
        assertEquals(red, !("NO_COLOR" in env), JSON.stringify(shown.output));
        assertEquals(readStatus(target.pid)?.tracerPid, 0);
      }
    },
  );

  it("a reset of the modes that a program has set, when it leaves the program running", () => {
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

  requires("python3")("as much as it can, and reports what is lost", () => {
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

  requires("cc", "strace")("all output on a kernel without process_vm_readv(2)", () => {
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
