import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { chooseCommand, type CommandName } from "../../src/cli/command_name.ts";
import { helpText } from "../../src/cli/help.ts";
import { REPTYR_OPTIONS } from "../../src/cli/option_table.ts";
import { parseReptyr } from "../../src/cli/options.ts";
import { parseProcout } from "../../src/cli/procout_options.ts";
import { wantsVerbose } from "../../src/cli/run.ts";
import { VERSION } from "../../src/cli/version.ts";
import { UsageError } from "../../src/errors.ts";
import type { MoveOptions } from "../../src/reptyr/inspect/move_options.ts";

const MOVE_DEFAULTS: Omit<MoveOptions, "pid"> = {
  timeoutSeconds: 10,
  redraw: "winch",
  forceStdio: false,
  alone: false,
  hangup: false,
};

const move = (
  pid: number,
  { verbose = false, ...options }: Partial<MoveOptions> & { readonly verbose?: boolean } = {},
) => ({ kind: "move", verbose, options: { ...MOVE_DEFAULTS, pid, ...options } });

const newTerminal = (place: "on" | "beside", command: string[], verbose = false) => ({
  kind: "new terminal",
  verbose,
  options: { command, place },
});

const steal = (...args: Parameters<typeof move>) => ({ ...move(...args), kind: "steal" });

describe("parseReptyr", () => {
  const right: [string[], unknown][] = [
    [["4242"], move(4242)],
    [["1"], move(1)],
    [["4194304"], move(4194304)],
    [["0042"], move(42)],
    [["--", "4242"], move(4242)],
    [["-V", "4242"], move(4242, { verbose: true })],
    [["4242", "--verbose"], move(4242, { verbose: true })],
    [["--timeout=2.5", "7"], move(7, { timeoutSeconds: 2.5 })],
    [["--timeout", ".5", "7"], move(7, { timeoutSeconds: 0.5 })],
    [["7", "--timeout", "3."], move(7, { timeoutSeconds: 3 })],
    [["--timeout=1", "--timeout=2", "7"], move(7, { timeoutSeconds: 2 })],
    [["--redraw=ctrl-l", "7"], move(7, { redraw: "ctrl-l" })],
    [["--redraw", "none", "7"], move(7, { redraw: "none" })],
    [
      ["-V", "--redraw=winch", "7", "--timeout", "1"],
      move(7, { verbose: true, timeoutSeconds: 1 }),
    ],
    [["-s", "7"], move(7, { forceStdio: true })],
    [["7", "--force-stdio"], move(7, { forceStdio: true })],
    [["-1", "7"], move(7, { alone: true })],
    [["--alone", "7"], move(7, { alone: true })],
    [["--hangup", "7"], move(7, { hangup: true })],
    [["-T", "7", "--hangup"], steal(7, { hangup: true })],
    [["-V1s", "7"], move(7, { verbose: true, alone: true, forceStdio: true })],
    [["-l"], newTerminal("beside", [])],
    [["-L"], newTerminal("on", [])],
    [["-l", "ls", "-la", "--foo"], newTerminal("beside", ["ls", "-la", "--foo"])],
    [["-L", "bash", "-c", "x"], newTerminal("on", ["bash", "-c", "x"])],
    [["-VL", "a", "-l"], newTerminal("on", ["a", "-l"], true)],
    [["-l", "-V", "a", "-h"], newTerminal("beside", ["a", "-h"], true)],
    [["-V", "-LL", "--", "-a", "--", "b"], newTerminal("on", ["-a", "--", "b"], true)],
    [["-l", "--"], newTerminal("beside", [])],
    [["-L", ""], newTerminal("on", [""])],
    [["-L", "-", "x"], newTerminal("on", ["-", "x"])],
    [["-L", "42"], newTerminal("on", ["42"])],
    [["-lh", "x"], { kind: "help" }],
    [["-L", "--version"], { kind: "version" }],
    [["-T", "7"], steal(7)],
    [["7", "--steal"], steal(7)],
    [["-VT", "7"], steal(7, { verbose: true })],
    [
      ["-T", "--redraw=none", "--timeout=2", "7"],
      steal(7, { redraw: "none", timeoutSeconds: 2 }),
    ],
    [["--list"], { kind: "list", json: false }],
    [["--json", "--list", "-V"], { kind: "list", json: true }],
    [["--why", "4242"], { kind: "why", pid: 4242, json: false }],
    [["--json", "--why=4242"], { kind: "why", pid: 4242, json: true }],
    [["--list", "--why=0", "-h"], { kind: "help" }],
    [["--install"], { kind: "install", folder: undefined }],
    [["--install=/opt/bin"], { kind: "install", folder: "/opt/bin" }],
    [["-V", "--install=a b"], { kind: "install", folder: "a b" }],
    [["--help"], { kind: "help" }],
    [["-h", "not a pid", "nor this"], { kind: "help" }],
    [["-Vh"], { kind: "help" }],
    [["--version"], { kind: "version" }],
    [["-v"], { kind: "version" }],
    [["-vV", "7"], { kind: "version" }],
  ];
  for (const [args, expected] of right) {
    it(`takes ${JSON.stringify(args)}`, () => assertEquals(parseReptyr(args), expected));
  }

  const wrong: [string[], string][] = [
    [[], "no PID given"],
    [["-V"], "no PID given"],
    [["--install="], "option '--install' needs a value: DIR"],
    [
      ["--install", "/opt"],
      "option '--install' goes with nothing else, and '/opt' is given; for a folder write --install=DIR",
    ],
    [["--install", "--list"], "option '--install' goes with nothing else, and '--list' is given"],
    [["--timeout", "--install"], "option '--timeout' needs a value: SECONDS"],
    [["--", "--install"], "'--install' is not a PID: it is not a number"],
    [["--"], "no PID given"],
    [["0"], "'0' is not a PID: no process has number 0"],
    [["000"], "'000' is not a PID: no process has number 0"],
    [["-5"], "'-5' is not a PID: it is negative"],
    [["-4242"], "'-4242' is not a PID: it is negative"],
    [["--", "-5"], "'-5' is not a PID: it is negative"],
    [["vim"], "'vim' is not a PID: it is not a number"],
    [["+5"], "'+5' is not a PID: it is not a number"],
    [[" 5"], "' 5' is not a PID: it is not a number"],
    [["-"], "'-' is not a PID: it is not a number"],
    [[""], "'' is not a PID: it is empty"],
    [["12ab"], "'12ab' is not a PID: 'ab' follows the number"],
    [["1e3"], "'1e3' is not a PID: 'e3' follows the number"],
    [["0x10"], "'0x10' is not a PID: 'x10' follows the number"],
    [["12.0"], "'12.0' is not a PID: '.0' follows the number"],
    [["5\n\x1b[2J"], "'5\\n\\x1b[2J' is not a PID: '\\n\\x1b[2J' follows the number"],
    [["4194305"], "'4194305' is not a PID: the largest is 4194304"],
    [["99999999999999999999999"], "'99999999999999999999999' is not a PID: the largest is 4194304"],
    [["1", "2"], "one PID is needed, and '2' is given after it"],
    [["1", "--", "2"], "one PID is needed, and '2' is given after it"],
    [["--", "--help"], "'--help' is not a PID: it is not a number"],
    [["--foo", "5"], "unknown option '--foo'"],
    [["--foo=bar\nbaz", "5"], "unknown option '--foo'"],
    [["--no-verbose", "5"], "unknown option '--no-verbose'"],
    [["--__proto__=x", "5"], "unknown option '--__proto__'"],
    [["--verbose.x", "5"], "unknown option '--verbose.x'"],
    [["-x", "5"], "unknown option '-x'"],
    [["-Vx", "5"], "unknown option '-x'"],
    [["--foo", "--bar"], "unknown option '--foo'"],
    [["--timeout"], "option '--timeout' needs a value: SECONDS"],
    [["5", "--timeout"], "option '--timeout' needs a value: SECONDS"],
    [["--timeout="], "option '--timeout' needs a value: SECONDS"],
    [["--timeout=", "5"], "option '--timeout' needs a value: SECONDS"],
    [["--timeout", "--verbose", "5"], "option '--timeout' needs a value: SECONDS"],
    [["--timeout", "-3", "5"], "option '--timeout' needs a value: SECONDS"],
    [["--timeout", "--", "5"], "option '--timeout' needs a value: SECONDS"],
    [["--redraw", "-V", "5"], "option '--redraw' needs a value: winch|ctrl-l|none"],
    [["--timeout=0", "5"], "'0' is no timeout: a number of seconds above 0 is needed"],
    [["--timeout=0.0", "5"], "'0.0' is no timeout: a number of seconds above 0 is needed"],
    [["--timeout=-1", "5"], "'-1' is no timeout: a number of seconds above 0 is needed"],
    [["--timeout=1s", "5"], "'1s' is no timeout: a number of seconds above 0 is needed"],
    [["--timeout=1e3", "5"], "'1e3' is no timeout: a number of seconds above 0 is needed"],
    [["--timeout=.", "5"], "'.' is no timeout: a number of seconds above 0 is needed"],
    [
      ["--timeout=Infinity", "5"],
      "'Infinity' is no timeout: a number of seconds above 0 is needed",
    ],
    [["--redraw=f", "5"], "'f' is no way to redraw: one of winch, ctrl-l, none is needed"],
    [["--json"], "option '--json' is for '--list' and '--why'"],
    [["--json", "5"], "option '--json' is for '--list' and '--why'"],
    [["--list", "5"], "option '--list' needs no more words, and '5' is given"],
    [["--why", "5", "6"], "option '--why=PID' needs no more words, and '6' is given"],
    [["--list", "--why=5"], "options '--list' and '--why' exclude each other"],
    [["--why"], "option '--why' needs a value: PID"],
    [["--why="], "option '--why' needs a value: PID"],
    [["--why", "--json"], "option '--why' needs a value: PID"],
    [["--why=vim"], "'vim' is not a PID: it is not a number"],
    [["--why=-5"], "'-5' is not a PID: it is negative"],
    [["--list=yes"], "option '--list' takes no value"],
    [["--json=yes", "--list"], "option '--json' takes no value"],
    [["--verbose=yes", "5"], "option '--verbose' takes no value"],
    [["--help=false", "5"], "option '--help' takes no value"],
    [["-V5"], "option '--verbose' takes no value"],
    [["-V=5"], "option '--verbose' takes no value"],
    [["-l", "-L", "ls"], "options '-l' and '-L' exclude each other"],
    [["-Ll"], "options '-L' and '-l' exclude each other"],
    [["-l", "-s", "5"], "options '-l' and '--force-stdio' exclude each other"],
    [["-1", "-L", "5"], "options '-L' and '--alone' exclude each other"],
    [["-L", "--timeout", "5", "ls"], "options '-L' and '--timeout' exclude each other"],
    [["--timeout", "-l"], "option '--timeout' needs a value: SECONDS"],
    [["-l", "--list"], "options '-l' and '--list' exclude each other"],
    [["-l", "--foo", "ls"], "unknown option '--foo'"],
    [["-lx", "ls"], "unknown option '-x'"],
    [["-T", "-l"], "options '-l' and '--steal' exclude each other"],
    [["5", "-l"], "unknown option '-l'"],
    [["--why=7", "--hangup"], "options '--why' and '--hangup' exclude each other"],
    [["--list", "-s"], "options '--list' and '--force-stdio' exclude each other"],
    [["--why=5", "-1"], "options '--why' and '--alone' exclude each other"],
    [["-1"], "no PID given"],
    [["-11"], "'-11' is not a PID: it is negative"],
    [["-12"], "'-12' is not a PID: it is negative"],
    [["-1", "-5"], "'-5' is not a PID: it is negative"],
    [["--alone=yes", "5"], "option '--alone' takes no value"],
    [["--foo", "-s", "5"], "unknown option '--foo'"],
    [["-T"], "no PID given"],
    [["-T=5"], "option '--steal' takes no value"],
    [["--steal=yes", "5"], "option '--steal' takes no value"],
    [["-T", "5", "6"], "one PID is needed, and '6' is given after it"],
    [["-T", "--json", "5"], "option '--json' is for '--list' and '--why'"],
    [["--list", "-T"], "options '--list' and '--steal' exclude each other"],
    [["-T", "--why=5"], "options '--why' and '--steal' exclude each other"],
    [["-T", "-s", "5"], "options '--steal' and '--force-stdio' exclude each other"],
    [["-1", "-T", "5"], "options '--steal' and '--alone' exclude each other"],
  ];
  for (const [args, message] of wrong) {
    it(`refuses ${JSON.stringify(args)}`, () => {
      const error = assertThrows(() => parseReptyr(args), UsageError);
      assertEquals(error.message, message);
    });
  }
});

describe("parseProcout", () => {
  it("knows help and version", () => {
    assertEquals(parseProcout(["-h"]), { kind: "help" });
    assertEquals(parseProcout(["--version"]), { kind: "version" });
  });
});

describe("chooseCommand", () => {
  const table: [string, string[], CommandName, string[]][] = [
    ["reptyr", ["5"], "reptyr", ["5"]],
    ["/usr/bin/reptyr", ["procout", "5"], "procout", ["5"]],
    ["/usr/bin/procout", ["5"], "procout", ["5"]],
    ["procout", ["procout"], "procout", ["procout"]],
    ["./procout", [], "procout", []],
    ["/opt/procout/reptyr", ["5", "procout"], "reptyr", ["5", "procout"]],
    ["", [], "reptyr", []],
  ];
  for (const [calledAs, args, command, rest] of table) {
    it(`takes ${JSON.stringify([calledAs, ...args])} for ${command}`, () => {
      assertEquals(chooseCommand(calledAs, args), { command, args: rest });
    });
  }
});

describe("helpText", () => {
  it("names every option there is", () => {
    const text = helpText("reptyr");
    for (const { long, short, help } of REPTYR_OPTIONS) {
      const letter = short === undefined ? "    " : `-${short}, `;
      assertMatch(text, new RegExp(`^  ${letter}--${long}\\b.*  `, "m"));
      assertEquals(text.includes(help), true);
    }
  });
  it("fits a terminal of 80 columns", () => {
    for (const line of (helpText("reptyr") + helpText("procout")).split("\n")) {
      assertEquals(line.length <= 80, true, line);
    }
  });
});

describe("VERSION", () => {
  it("is that of the package", () => {
    const config = Deno.readTextFileSync(new URL("../../deno.json", import.meta.url));
    assertEquals(VERSION, config.match(/"version":\s*"([^"]+)"/)?.[1]);
  });
});

describe("wantsVerbose", () => {
  it("finds --verbose also on a wrong command line", () => {
    assertEquals(
      [["--verbose"], ["-V"], ["-hV"], ["x", "-Vz"], ["--Version"], ["V"], ["-v"]].map(
        wantsVerbose,
      ),
      [true, true, true, true, false, false, false],
    );
  });
});
