/** Command line to options. Pure: nothing is read, printed or ended here. */

import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "../errors.ts";
import type { MirrorRequest } from "../procout/mod.ts";
import type { NewTerminalOptions } from "../reptyr/new_terminal/mod.ts";
import type { Redraw } from "../reptyr/frontend/redraw.ts";
import { printable } from "../proc/printable.ts";
import {
  DEFAULT_TIMEOUT_SECONDS,
  type OptionSpec,
  REDRAW_CHOICES,
  REPTYR_OPTIONS,
} from "./option_table.ts";
import { exclude, requireTogether } from "./combinations.ts";
import { type NewTerminalOption, newTerminalWords } from "./new_terminal_words.ts";
import { parsePid, pidError } from "./pid.ts";
import type { MoveOptions } from "../reptyr/inspect/move_options.ts";

/** What a command line asks for. */
export type Request =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "move" | "steal"; readonly verbose: boolean; readonly options: MoveOptions }
  | {
    readonly kind: "new terminal";
    readonly verbose: boolean;
    readonly options: NewTerminalOptions;
  }
  | { readonly kind: "list"; readonly json: boolean }
  | { readonly kind: "why"; readonly pid: number; readonly json: boolean }
  | { readonly kind: "install"; readonly folder: string | undefined }
  | { readonly kind: "mirror"; readonly verbose: boolean; readonly request: MirrorRequest };

/** Parses the words after `reptyr`. Throws UsageError. */
export function parseReptyr(args: readonly string[]): Request {
  const terminal = parseNewTerminal(args);
  if (terminal !== undefined) return terminal;
  const { flags, values, words } = parseOptions(args, REPTYR_OPTIONS);
  if (flags.has("help")) return { kind: "help" };
  if (flags.has("version")) return { kind: "version" };
  const installing = parseInstall(values.get("install"), flags, words);
  if (installing !== undefined) return installing;
  requireTogether(new Set([...flags, ...values.keys()]));
  const timeoutSeconds = parseTimeout(values.get("timeout"));
  const redraw = parseRedraw(values.get("redraw"));
  const looking = parseLook(flags, values.get("why"), words);
  if (looking !== undefined) return looking;
  // `-1` is an option, and so is `-11`, twice: as a PID it is as wrong as `-12`.
  const negative = ownWords(args).find((arg) => /^-11+$/.test(arg));
  if (negative !== undefined) throw pidError(negative);
  const [word, second] = words;
  if (word === undefined) throw new UsageError("no PID given");
  const pid = parsePid(word);
  if (second !== undefined) {
    throw new UsageError(`one PID is needed, and '${printable(second)}' is given after it`);
  }
  const forceStdio = flags.has("force-stdio");
  const alone = flags.has("alone");
  const hangup = flags.has("hangup");
  const options = { pid, timeoutSeconds, redraw, forceStdio, alone, hangup };
  const kind = flags.has("steal") ? "steal" : "move";
  return { kind, verbose: flags.has("verbose"), options };
}

/** -l and -L, which make a terminal and move nothing; undefined without either. */
function parseNewTerminal(args: readonly string[]): Request | undefined {
  const found = newTerminalWords(args, REPTYR_OPTIONS);
  const option: NewTerminalOption | undefined = found?.asked[0];
  if (found === undefined || option === undefined) return undefined;
  const { flags, values } = parseOptions(found.options, REPTYR_OPTIONS);
  if (flags.has("help")) return { kind: "help" };
  if (flags.has("version")) return { kind: "version" };
  const other = found.asked.find((asked) => asked !== option) ??
    [...flags, ...values.keys()].filter((name) => name !== "verbose").map((name) => `--${name}`)[0];
  if (other !== undefined) throw exclude(option, other);
  const options = { command: found.command, place: option === "-L" ? "on" : "beside" } as const;
  return { kind: "new terminal", verbose: flags.has("verbose"), options };
}

/** --list and --why, which move nothing; undefined without either. */
function parseLook(
  flags: ReadonlySet<string>,
  why: string | undefined,
  [word]: readonly string[],
): Request | undefined {
  const json = flags.has("json");
  if (why === undefined && !flags.has("list")) {
    if (json) throw new UsageError("option '--json' is for '--list' and '--why'");
    return undefined;
  }
  if (why !== undefined && flags.has("list")) {
    throw new UsageError("options '--list' and '--why' exclude each other");
  }
  const pid = why === undefined ? undefined : parsePid(why);
  if (word !== undefined) {
    const option = pid === undefined ? "--list" : "--why=PID";
    throw new UsageError(
      `option '${option}' needs no more words, and '${printable(word)}' is given`,
    );
  }
  return pid === undefined ? { kind: "list", json } : { kind: "why", pid, json };
}

/** --install, which stands alone; undefined without it. */
function parseInstall(
  folder: string | undefined,
  flags: ReadonlySet<string>,
  [word]: readonly string[],
): Request | undefined {
  if (folder === undefined) return undefined;
  const other = word ??
    [...flags].filter((flag) => flag !== "verbose").map((flag) => `--${flag}`)[0];
  if (other === undefined) {
    return { kind: "install", folder: folder === NO_VALUE ? undefined : folder };
  }
  const meant = word === undefined ? "" : `; for a folder write --install=DIR`;
  throw new UsageError(
    `option '--install' goes with nothing else, and '${printable(other)}' is given${meant}`,
  );
}

/** The words in front of `--`. */
function ownWords(args: readonly string[]): readonly string[] {
  return args.slice(0, args.includes("--") ? args.indexOf("--") : args.length);
}

/** Stands for a value left out. No word of a command line can be it: execve(2) ends them at a NUL. */
const NO_VALUE = "\0";

export interface ParsedOptions {
  /** Long names of the options without value that were given. */
  readonly flags: ReadonlySet<string>;
  /** Value of each option that needs one and was given. */
  readonly values: ReadonlyMap<string, string>;
  readonly words: readonly string[];
}

/**
 * Splits a command line into the options of `table` and the other words. parseArgs() takes whatever it
 * finds; the rules of this function are that an option is known, that one which needs a value has it, and
 * that one which needs none has none. Of several wrong options the first is reported.
 */
export function parseOptions(
  args: readonly string[],
  table: readonly OptionSpec[],
): ParsedOptions {
  const flags = table.filter(({ value }) => value === undefined);
  const valued = table.filter(({ value }) => value !== undefined);
  const wrong: UsageError[] = [];
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const optional = new Set(
    valued.filter((spec) => spec.optional === true).map(({ long }) => `--${long}`),
  );
  // `-oname` is taken apart here: parseArgs() does that only where it does not begin with a letter.
  const joined = (arg: string) =>
    valued.find(({ short }) =>
      short !== undefined && /^[A-Za-z]/.test(arg.slice(2)) && arg.startsWith(`-${short}`)
    );
  const words = args.map((arg, index) => {
    if (index >= end) return arg;
    if (optional.has(arg)) return `${arg}=${NO_VALUE}`;
    const spec = joined(arg);
    return spec === undefined ? arg : `--${spec.long}=${arg.slice(2)}`;
  });

  const parsed: Record<string, unknown> & { _: unknown[] } = parseArgs(words, {
    boolean: flags.map(({ long }) => long),
    string: ["_", ...valued.map(({ long }) => long)],
    alias: Object.fromEntries(
      table.flatMap(({ long, short }) => short === undefined ? [] : [[short, long]]),
    ),
    unknown: (arg, key) => {
      if (key === undefined) return true; // a word, not an option
      wrong.push(unknownOption(arg, key, valued));
      return false;
    },
  });

  for (const { long, value } of valued) {
    // parseArgs() gives the empty string when the next word is an option, or there is none.
    if (parsed[long] === "") {
      throw new UsageError(`option '--${long}' needs a value: ${value}`);
    }
  }
  if (wrong[0] !== undefined) throw wrong[0];
  for (const { long } of flags) {
    // `--help=x` becomes true, and `-V5` becomes 5.
    if (
      typeof parsed[long] !== "boolean" ||
      ownWords(args).some((arg) => arg.startsWith(`--${long}=`))
    ) {
      throw new UsageError(`option '--${long}' takes no value`);
    }
  }

  return {
    flags: new Set(flags.filter(({ long }) => parsed[long] === true).map(({ long }) => long)),
    values: new Map(
      valued.flatMap(({ long }) => {
        const value = parsed[long];
        return typeof value === "string" ? [[long, value]] : [];
      }),
    ),
    words: parsed._.map(String),
  };
}

function unknownOption(
  arg: string,
  key: string,
  valued: readonly OptionSpec[],
): UsageError {
  // A negative number that is no option was meant as a PID.
  const negative = /^-\d+$/.test(arg) ? pidError(arg) : undefined;
  if (negative !== undefined) return negative;
  const name = arg.startsWith("--") ? arg.replace(/=.*$/s, "") : `-${key}`;
  const spec = valued.find(({ long }) => `--${long}` === name);
  // parseArgs() takes `--timeout=` for an option called `timeout=`.
  if (spec !== undefined) return new UsageError(`option '${name}' needs a value: ${spec.value}`);
  return new UsageError(`unknown option '${printable(name)}'`);
}

function parseTimeout(text: string | undefined): number {
  if (text === undefined) return DEFAULT_TIMEOUT_SECONDS;
  const seconds = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : NaN;
  if (!(seconds > 0 && Number.isFinite(seconds))) {
    throw new UsageError(
      `'${printable(text)}' is no timeout: a number of seconds above 0 is needed`,
    );
  }
  return seconds;
}

function parseRedraw(text: string | undefined): Redraw {
  if (text === undefined) return REDRAW_CHOICES[0];
  const choice = REDRAW_CHOICES.find((choice) => choice === text);
  if (choice === undefined) {
    throw new UsageError(
      `'${printable(text)}' is no way to redraw: one of ${REDRAW_CHOICES.join(", ")} is needed`,
    );
  }
  return choice;
}
