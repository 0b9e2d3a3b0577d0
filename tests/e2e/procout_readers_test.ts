import { assert, assertEquals } from "@std/assert";
import { afterEach } from "@std/testing/bdd";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { describeEngines, procoutPath } from "../support/procout.ts";
import { requires } from "../support/programs.ts";
import { Terminal } from "../support/terminal.ts";

/** Has the target's input and the mirror's reading end both. */
const SUPERVISOR = `
import subprocess, sys
pipe = subprocess.PIPE
target = subprocess.Popen(["cat"], stdin=pipe, stdout=subprocess.DEVNULL)
mirror = subprocess.Popen(sys.argv[1:] + ["-V", str(target.pid)], stdout=pipe, stderr=pipe)
while b"Watching" not in mirror.stderr.readline(): assert mirror.poll() is None
target.stdin.write(b"seen\\n")
target.stdin.close()
print(mirror.stdout.read(), mirror.wait(), target.wait())
`;

describeEngines("a process that reads the mirror", (engine) => {
  const procout = `${procoutPath} --engine=${engine}`;

  afterEach(assertNoneLeft);

  requires("cat")("is left out of the mirror, and so is a process that reads from it", () => {
    const script = `(read line </dev/tty; echo "<$line>") & ${procout} -V -f $$ | cat | cat`;
    using terminal = Terminal.start(["sh", "-c", script], { columns: 250 });
    terminal.expect(/Not watched, as the mirror passes through: \d+ \(cat\), \d+ \(cat\)\r\n/);
    terminal.expect(/Watching 2 (threads|processes)/);
    terminal.line("here");
    terminal.expect(/<here>\r\n[^]*<here>\r\n/);
    terminal.press("^C");
    terminal.expectExit();
    assertEquals(terminal.output.match(/<here>/g)?.length, 2);
  });

  requires("script")("is refused as a target when it shows the terminal of procout", () => {
    const script = `${procout} $PPID; echo status $?; ` +
      `${procout} -V -o /dev/null $PPID & ` +
      "read line; echo here; read line; kill -INT $!; wait $!; echo status $?";
    using terminal = Terminal.start(["script", "-q", "-c", script, "/dev/null"], { columns: 250 });
    terminal.expect(
      /Cannot watch process \d+ \(script .*\): what this procout writes passes through it/,
    );
    terminal.expect("Write the mirror to a file: procout --output=FILE\r\n");
    terminal.expect("status 1\r\n");
    terminal.expect(/Watching 1 (threads|process)/);
    terminal.line("");
    terminal.expect("here\r\n");
    terminal.line("");
    terminal.expect("status 0\r\n");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 0 });
  });

  requires("python3")("may also be the process that feeds the target", () => {
    using terminal = Terminal.start([
      "python3",
      "-c",
      SUPERVISOR,
      procoutPath,
      `--engine=${engine}`,
    ]);
    terminal.expect("b'seen\\n' 0 0\r\n");
    assert(terminal.expectExit().kind === "exited");
  });
});
