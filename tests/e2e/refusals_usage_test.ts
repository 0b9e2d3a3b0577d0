import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { join } from "@std/path";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { refused } from "../support/input_run.ts";
import { reptyrPath } from "../support/reptyr.ts";

/** What the executable answers with nothing of it on a terminal. */
function answer(args: string[], executable = reptyrPath) {
  const { code, stdout, stderr } = new Deno.Command(executable, { args, stdin: "null" })
    .outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

describe("reptyr with a wrong command line", () => {
  afterEach(assertNoneLeft);

  const wrong: [string[], string][] = [
    [[], "no PID given"],
    [[""], "'' is not a PID: it is empty"],
    [["0"], "'0' is not a PID: no process has number 0"],
    [["-5"], "'-5' is not a PID: it is negative"],
    [["--", "-5"], "'-5' is not a PID: it is negative"],
    [["abc"], "'abc' is not a PID: it is not a number"],
    [["12x"], "'12x' is not a PID: 'x' follows the number"],
    [["1 2"], "'1 2' is not a PID: ' 2' follows the number"],
    [["99999999999"], "'99999999999' is not a PID: the largest is 4194304"],
    [["9".repeat(400)], `'${"9".repeat(400)}' is not a PID: the largest is 4194304`],
    [["1\n2"], "'1\\n2' is not a PID: '\\n2' follows the number"],
    [["\x1b[31m"], "'\\x1b[31m' is not a PID: it is not a number"],
    [["1", "2"], "one PID is needed, and '2' is given after it"],
    [["--bogus", "1"], "unknown option '--bogus'"],
    [["-x", "1"], "unknown option '-x'"],
    [["1", "--timeout"], "option '--timeout' needs a value: SECONDS"],
    [["--timeout=", "1"], "option '--timeout' needs a value: SECONDS"],
    [["--timeout=0", "1"], "'0' is no timeout: a number of seconds above 0 is needed"],
    [["--timeout=soon", "1"], "'soon' is no timeout: a number of seconds above 0 is needed"],
    [
      ["--redraw=twice", "1"],
      "'twice' is no way to redraw: one of winch, ctrl-l, none is needed",
    ],
    [["-T", "--why=1"], "options '--why' and '--steal' exclude each other"],
    [["--json"], "option '--json' is for '--list' and '--why'"],
    [["--list", "1"], "option '--list' needs no more words, and '1' is given"],
    [["--why=x"], "'x' is not a PID: it is not a number"],
    [["--help=yes"], "option '--help' takes no value"],
  ];
  for (const [args, message] of wrong) {
    it(`refuses ${JSON.stringify(args).slice(0, 60)}`, () => {
      const { code, stdout, stderr } = answer(args);
      assertEquals({ code, stdout, stderr }, {
        code: 2,
        stdout: "",
        stderr: `reptyr: ${message}\nTry 'reptyr --help'\n`,
      });
    });
  }

  it("reports output that cannot be written, and keeps its exit status when stderr fails, too", () => {
    const script = (words: string) => answer(["-c", `"$0" ${words}`, reptyrPath], "sh");
    for (const words of ["--version", "--help", "--list --json"]) {
      assertEquals(script(`${words} >/dev/full`), {
        code: 1,
        stdout: "",
        stderr: "reptyr: Cannot write to the standard output: No space left on device\n",
      });
    }
    assertEquals(script("--bogus 2>/dev/full").code, 2);
  });

  it("refuses on a terminal in the same words, and leaves the terminal as it was", () => {
    assertEquals(refused(["12x"], { status: 2 }), [
      "'12x' is not a PID: 'x' follows the number",
      "Try 'reptyr --help'",
    ]);
  });
});

describe("reptyr without a terminal of its own", () => {
  afterEach(assertNoneLeft);

  it("gives the reason for a refusal in plain lines", () => {
    assertEquals(answer(["4194304"]), {
      code: 1,
      stdout: "",
      stderr: "reptyr: Cannot move process 4194304: no such process\n" +
        "  `reptyr --list` lists the processes on terminals\n",
    });
  });
});

describe("reptyr with --help or --version", () => {
  afterEach(assertNoneLeft);

  for (const option of ["--help", "-h"]) {
    it(`answers ${option} with its usage`, () => {
      const { code, stdout, stderr } = answer([option]);
      assertEquals([code, stderr], [0, ""]);
      assertMatch(stdout, /^Usage: reptyr \[OPTION\]\.\.\. PID\n/);
      assertStringIncludes(stdout, "--timeout=SECONDS");
    });
  }

  for (const option of ["--version", "-v"]) {
    it(`answers ${option} with its version`, () => {
      const { code, stdout, stderr } = answer([option]);
      assertEquals([code, stderr], [0, ""]);
      assertMatch(stdout, /^reptyr \d+\.\d+\.\d+\n$/);
    });
  }

  it("writes help into a pipe that is closed early without a word about it", () => {
    const { success, stderr } = new Deno.Command("bash", {
      args: [
        "-c",
        `set -o pipefail; "$0" --help | true; "$0" --help | head -1 >/dev/null`,
        reptyrPath,
      ],
      stdin: "null",
    }).outputSync();
    assertEquals([success, new TextDecoder().decode(stderr)], [true, ""]);
  });

  it("answers as procout when it is called by that name", () => {
    const folder = Deno.makeTempDirSync();
    using _ = { [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
    const procout = join(folder, "procout");
    Deno.symlinkSync(reptyrPath, procout);
    const named = answer(["--help"], procout);
    assertMatch(named.stdout, /^Usage: procout /);
    assertEquals(answer(["procout", "--help"]), named);
    assertEquals(answer(["vim"], procout), {
      code: 2,
      stdout: "",
      stderr: "procout: 'vim' is not a PID: it is not a number\nTry 'procout --help'\n",
    });
  });
});
