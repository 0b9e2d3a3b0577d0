import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, it } from "@std/testing/bdd";
import { SIGTERM } from "../../src/ffi/constants.ts";
import { readCommand } from "../../src/proc/command.ts";
import { readFds } from "../../src/proc/fds.ts";
import { requiresCapability } from "../support/capabilities.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { assertRefused, describeEngines, Procout, procoutPath } from "../support/procout.ts";
import { requires } from "../support/programs.ts";
import { Terminal, waitUntil } from "../support/terminal.ts";
import { SLEEP_CALLS, untilBlocked } from "../support/victim.ts";

/** Lines of a mirror in the format `line`, without time and pid; what was written in pieces is one. */
function withoutTimes(mirror: string): string[] {
  const lines = mirror.trim().split("\n").map((line) => line.replace(/^\S+ \d+ /, ""));
  return lines.join("\n").replace(/\n\d \+ /g, "").split("\n");
}

const mounting = requiresCapability("mountns", requires("unshare"));

/** What procout may have left there: others use the folder, too. */
function namesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name)
    .filter((name) => name.startsWith("procout-"));
}

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

  it("waits for the command when its mirror cannot be written", () => {
    const script = "mkfifo FOLDER/go; echo one; read x < FOLDER/go; echo two > FOLDER/two";
    const mirrors = [
      { name: "/dev/full", words: ["-o", "/dev/full"], options: {} },
      { name: "the standard output", words: [], options: { stdout: "/dev/full" } },
    ];
    for (const { name, words, options } of mirrors) {
      using procout = Procout.start([...words, "--", "sh", "-c", script], options);
      waitUntil("the message", () => procout.stderr.endsWith("\n"));
      assertEquals(
        procout.stderr,
        `procout: Cannot write to ${name}: no space left on device (ENOSPC); ` +
          "the command goes on without a mirror\n",
      );
      assertEquals(procout.child.status, undefined);
      Deno.writeTextFileSync(procout.path("go"), "go\n");
      procout.expectEnd(1);
      assertEquals(Deno.readTextFileSync(procout.path("two")), "two\n");
    }
  });

  it("keeps the outputs of its children apart, too, with --follow", () => {
    const script = "echo out; echo err >&2; (echo child >&2; :); echo piped | cat";
    for (const [options, stdout] of [[[], "piped\n"], [["-f"], "piped\npiped\n"]] as const) {
      using procout = Procout.start([...options, "--", "sh", "-c", script]);
      procout.expectEnd();
      assertEquals([procout.stdout, procout.stderr], [`out\n${stdout}`, "err\nchild\n"]);
    }
  });

  it("leaves the command its own output with --output, and its environment and arguments", () => {
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

  it("records its children, too, with --output, and nothing that they write elsewhere", () => {
    const script = "echo one; env echo two; cat /none; env echo four > $0; echo five | cat";
    using procout = Procout.start(
      ["-o", "FOLDER/mirror", "--format=line", "--", "sh", "-c", script, "FOLDER/other"],
    );
    procout.expectEnd();
    assertEquals(withoutTimes(new TextDecoder().decode(procout.bytes("mirror"))), [
      "1 | one",
      "1 | two",
      "2 | cat: /none: No such file or directory",
      "1 | five",
    ]);
  });

  it("records its children on a terminal, where both outputs are one", () => {
    const folder = Deno.makeTempDirSync({ prefix: "e2e-" });
    using cleanup = new DisposableStack();
    cleanup.defer(() => Deno.removeSync(folder, { recursive: true }));
    const file = `${folder}/mirror`;
    const script = "env echo one; cat /none; env echo three > /dev/tty";
    const options = [`--engine=${engine}`, "-o", file, "--format=line"];
    using terminal = Terminal.start([procoutPath, ...options, "--", "sh", "-c", script]);
    terminal.expectExit();
    const missing = "cat: /none: No such file or directory";
    assertEquals(terminal.output.replaceAll("\r", ""), `one\n${missing}\nthree\n`);
    assertEquals(withoutTimes(Deno.readTextFileSync(file)), [
      "1 | one",
      `2 | ${missing}`,
      "1 | three",
    ]);
  });

  it("does not start the command when the mirror cannot be written", () => {
    assertRefused(
      ["-o", "FOLDER/none/file", "--", "touch", "FOLDER/started"],
      1,
      /^procout: Cannot write to \S+\/none\/file: no such file or directory\n$/,
    );
  });

  requires("bash")("leaves the command every inherited descriptor", () => {
    const numbers = Array.from({ length: 60 }, (_, index) => 3 + index);
    const redirections = numbers.map((fd) => `exec ${fd}<<<${fd}`).join("\n");
    const script = `for fd in ${numbers.join(" ")}; do cat <&$fd; done`;
    using procout = Procout.start([], {
      argv: [
        "bash",
        "-c",
        `${redirections}\nexec "$@"`,
        "bash",
        procoutPath,
        `--engine=${engine}`,
        "--",
        "bash",
        "-c",
        script,
      ],
    });
    procout.expectEnd();
    assertEquals([procout.stdout, procout.stderr], [numbers.map((fd) => `${fd}\n`).join(""), ""]);
  });

  it("starts when TMPDIR is missing or cannot be written", () => {
    for (const TMPDIR of ["/nonexistent", "/proc"]) {
      using procout = Procout.start(["--", "echo", "started"], { env: { TMPDIR } });
      procout.expectEnd();
      assertEquals([procout.stdout, procout.stderr], ["started\n", ""]);
    }
  });

  const readOnly = (...folders: string[]) => [
    ...["unshare", "-m", "--propagation", "private", "sh", "-c"],
    `for folder in ${folders.join(" ")}; do
      [ ! -d $folder ] || { mount --rbind $folder $folder && mount -o remount,ro,bind $folder; }
    done && cd /proc && exec "$0" "$@"`,
    ...[procoutPath, `--engine=${engine}`, "--", "echo", "started"],
  ];

  mounting(
    "starts when /tmp is read-only, and leaves no file in the folder that it uses instead",
    () => {
      const before = namesIn("/dev/shm");
      using procout = Procout.start([], { argv: readOnly("/tmp") });
      procout.expectEnd();
      assertEquals([procout.stdout, procout.stderr], ["started\n", ""]);
      assertEquals(namesIn("/dev/shm"), before);
    },
  );

  mounting("names the remedy when no folder can be written", () => {
    using procout = Procout.start([], { argv: readOnly("/tmp", "/dev/shm", "/run") });
    procout.expectEnd(1);
    assertMatch(
      procout.stderr,
      /^procout: Cannot pause the command before exec: .*\n {2}Set TMPDIR to a directory that can be written\n$/,
    );
    using remedied = Procout.start([], {
      argv: readOnly("/tmp", "/run"),
      env: { TMPDIR: "/dev/shm" },
    });
    remedied.expectEnd();
    assertEquals(remedied.stdout, "started\n");
  });

  it("passes SIGTERM on to the command", () => {
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

  it("keeps the command a program of its terminal: ^C, the size, and its output once", () => {
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
    "gives SIGPIPE to a writer whose reader has gone, and to no other process",
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

  it("begins with the first instruction, and leaves no descriptor open in the command", () => {
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
    // The program that runs the tests may leave something open in every process.
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
