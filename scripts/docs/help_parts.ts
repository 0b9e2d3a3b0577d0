/** The text of --help, taken apart again: man pages and completions say what it says. Pure. */
import type { CommandName } from "../../src/cli/command_name.ts";
import { helpText } from "../../src/cli/help.ts";
import { type OptionSpec, PROCOUT_OPTIONS, REPTYR_OPTIONS } from "../../src/cli/option_table.ts";

export interface HelpParts {
  readonly command: CommandName;
  /** Each way to call it: `reptyr [OPTION]... PID`. */
  readonly usage: readonly string[];
  /** Paragraphs between usage and options. */
  readonly description: readonly string[];
  readonly options: readonly OptionSpec[];
  /** Paragraphs below the options, but for the next. */
  readonly notes: readonly string[];
  /** What follows `Exit status: `; empty when the help does not tell. */
  readonly exitStatus: string;
}

const EXIT_STATUS = "Exit status: ";

export function helpParts(command: CommandName): HelpParts {
  const paragraphs = helpText(command).trimEnd().split(/\n{2,}/);
  const isOptions = (text: string) => /^ +-/.test(text);
  const [usage = "", ...rest] = paragraphs;
  const table = rest.findIndex(isOptions);
  const joined = (texts: readonly string[]) =>
    texts.map((text) => text.replaceAll(/\s*\n\s*/g, " "));
  const below = joined(rest.slice(table + 1).filter((text) => !isOptions(text)));
  return {
    command,
    usage: usage.replace(/^Usage:/, "").split("\n").map((line) => line.trim()),
    description: joined(rest.slice(0, table)),
    options: command === "reptyr" ? REPTYR_OPTIONS : PROCOUT_OPTIONS,
    notes: below.filter((text) => !text.startsWith(EXIT_STATUS)),
    exitStatus: below.find((text) => text.startsWith(EXIT_STATUS))?.slice(EXIT_STATUS.length) ?? "",
  };
}

/** What a shell can offer for a value or a word. */
export type ValueKind =
  | { readonly kind: "choices"; readonly choices: readonly string[] }
  | { readonly kind: "pid" | "folder" | "file" | "free" };

/** The kind of an option's value, by its name in the help; undefined for an option without one. */
export function valueKind({ value, choices }: OptionSpec): ValueKind | undefined {
  if (value === undefined) return undefined;
  if (choices !== undefined) return { kind: "choices", choices };
  if (value.includes("|")) return { kind: "choices", choices: value.split("|") };
  switch (value) {
    case "PID":
      return { kind: "pid" };
    case "DIR":
      return { kind: "folder" };
    case "FILE":
      return { kind: "file" };
    default:
      return { kind: "free" };
  }
}

/** Options after which another command's line follows, as the usage tells; `--` among them. */
export function beforeCommand({ usage, options }: HelpParts): readonly string[] {
  const found = usage.filter((line) => line.includes("COMMAND"))
    .flatMap((line) => line.slice(0, line.indexOf("COMMAND")).match(/(?<![\w-])--?[\w-]*/g) ?? []);
  const spellings = options.flatMap((option) => {
    const own = optionSpellings(option);
    return own.some((spelling) => found.includes(spelling)) ? own : [];
  });
  const own = [
    ...spellings,
    ...usageOnly({ usage, options }).filter((name) => found.includes(name)),
  ];
  return found.includes("--") ? ["--", ...own] : own;
}

/** Options that only the usage names: `-l`, which make another command line of it. */
export function usageOnly(
  { usage, options }: Pick<HelpParts, "usage" | "options">,
): readonly string[] {
  const named = usage.flatMap((line) => line.match(/(?<![\w-])--?\w[\w-]*/g) ?? []);
  return [...new Set(named)].filter((name) =>
    !options.some((option) => optionSpellings(option).includes(name))
  );
}

/** `-T` and `--steal`; the single letter comes first. */
export function optionSpellings({ long, short }: OptionSpec): readonly string[] {
  return short === undefined ? [`--${long}`] : [`-${short}`, `--${long}`];
}

/** Whether a process is among the words of this command. */
export function takesPid({ usage }: HelpParts): boolean {
  return usage.some((line) => / PID/.test(line));
}
