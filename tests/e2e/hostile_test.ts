/** Programs that make themselves hard to look at, and what of them comes to the user's terminal. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe } from "@std/testing/bdd";
import { lacks } from "../support/capabilities.ts";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import { AS_NOBODY } from "../support/input_run.ts";
import { procoutPath } from "../support/procout.ts";
import { hasCompiler, requiresCompiler, requiresCompilerAnd, victim } from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { Terminal } from "../support/terminal.ts";
import { startVictim } from "../support/victim.ts";

/** What a program prints that is run to its end. */
function outputOf(argv: readonly string[]): string {
  const { stdout, stderr } = new Deno.Command(argv[0]!, {
    args: argv.slice(1),
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).outputSync();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return decoder.decode(stdout) + decoder.decode(stderr);
}

/** Whether a program may say where its arguments are. */
const mayMoveArguments = hasCompiler && (() => {
  using terminal = Terminal.start([victim("hostile"), "arguments", "1"]);
  return terminal.expect(/ready|victim failed/)[0] === "ready";
})();

const withArguments = requiresCompilerAnd(
  mayMoveArguments,
  "the kernel has no PR_SET_MM_MAP: CONFIG_CHECKPOINT_RESTORE",
);

describe("reptyr and a program that is hard to look at", () => {
  afterEach(assertNoneLeft);

  withArguments("reads no more of gigabytes of arguments than it shows", () => {
    using terminal = startVictim("hostile", ["arguments", 8192]);
    for (const args of [["--why", `${terminal.pid}`], ["--list"], ["--list", "--json"]]) {
      const output = outputOf([reptyrPath, ...args]);
      assert(output.includes(`${terminal.pid}`), output.slice(0, 500));
      assert(!output.includes("Unexpected"), output.slice(0, 500));
      assert(output.length < 1 << 20);
    }
  });

  const cases: [string, boolean, string, number][] = [
    ["gigabytes of arguments", mayMoveArguments, "arguments", 8192],
    ["thousands of mappings with long names", true, "maps", 2_000],
  ];
  for (const [what, condition, kind, count] of cases) {
    requiresCompilerAnd(condition, "not possible here")(`moves a program with ${what}`, () => {
      using target = Target.start(
        "session leader",
        [victim("hostile"), kind, `${count}`],
        (terminal) => terminal.expect("ready"),
      );
      using moved = target.move();
      moved.line("hello");
      moved.expect("line: hello");
      moved.line("exit 3");
      target.expectEnd(moved, 3);
    });
  }

  requiresCompiler("moves a program with a terabyte of empty code", () => {
    using target = Target.start(
      "session leader",
      [victim("hostile"), "code", `${1 << 20}`],
      (terminal) => terminal.expect("ready"),
    );
    using moved = target.move();
    moved.line("exit 3");
    target.expectEnd(moved, 3);
  });
});

/** What a terminal would act on, or a reader be misled by: as the bytes of a program's words, in UTF-8. */
const WORDS = [
  "\x1b]0;title\x07",
  "\x1b[2J",
  "a\rb",
  "a\nb",
  "\u009b2J", // CSI as one character
  "\u202egnp.exe",
  "\u{e0041}\u{e0042}",
  "\x7f",
];

// deno-lint-ignore no-control-regex
const UNSAFE = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\u{e0041}/u;

describe("the name that a program gives itself", () => {
  afterEach(assertNoneLeft);

  requiresCompiler(
    "reaches no terminal unescaped: --list, --why, --json, messages, --verbose",
    () => {
      using terminal = startVictim("command", ["name", "\x1b[31m\r\u009b", ...WORDS]);
      const { pid } = terminal;
      const runs = [
        [reptyrPath, "--list"],
        [reptyrPath, "--list", "--json"],
        [reptyrPath, "--why", `${pid}`],
        [reptyrPath, "--why", `${pid}`, "--json"],
        [reptyrPath, "-T", "-V", `${pid}`],
        [reptyrPath, `${pid}`, ...WORDS],
        ...lacks("users") === undefined ? [[...AS_NOBODY, reptyrPath, `${pid}`]] : [],
        [procoutPath, "--nonsense\x1b[2J"],
      ];
      for (const argv of runs) {
        const output = outputOf(argv);
        assertEquals(output.match(UNSAFE), null, `${argv.slice(1).join(" ")}\n${output}`);
      }
      const json = JSON.parse(outputOf([reptyrPath, "--why", `${pid}`, "--json"]));
      assertMatch(json.command, /\\x1b\]0;title\\x07 \\x1b\[2J a\\rb a\\nb \\x9b2J \\u202egnp/);
    },
  );
});

describe("the output of a program", () => {
  afterEach(assertNoneLeft);

  for (const format of ["line", "json", "hex", "cast"]) {
    requiresCompiler(`does nothing to a terminal that procout shows it on: ${format}`, () => {
      const text = WORDS.join(" ").replaceAll("\x1b]0;title\x07", "\\033]0;title\\007");
      const output = outputOf([
        procoutPath,
        "--engine=ptrace",
        `--format=${format}`,
        "--",
        "printf",
        `%s ${text.replaceAll("%", "%%")}`,
        "words",
      ]);
      assert(output.includes("words"), output);
      assertEquals(output.match(UNSAFE), null, JSON.stringify(output));
    });
  }
});
