/** Every option of both commands, in one table: the parser and the help are made from it. */

import type { EngineChoice } from "../procout/choose_engine.ts";
import type { ColorChoice, FormatName } from "../procout/mod.ts";
import type { Redraw } from "../reptyr/frontend/redraw.ts";

export interface OptionSpec {
  readonly long: string;
  readonly short?: string;
  /** Name of the value in the help, for an option that needs one. */
  readonly value?: string;
  /** Whether the value may be left out: then only `--long=value` gives one. */
  readonly optional?: true;
  /** The words that the value is one of, where its name does not list them. */
  readonly choices?: readonly string[];
  readonly help: string;
}

/** `--timeout=SECONDS`, `--install[=DIR]`, `--list`. */
export function longText({ long, value, optional }: OptionSpec): string {
  if (value === undefined) return `--${long}`;
  return optional === true ? `--${long}[=${value}]` : `--${long}=${value}`;
}

const COMMON: readonly OptionSpec[] = [
  { long: "verbose", short: "V", help: "say what is being done, and all about errors" },
  { long: "version", short: "v", help: "print the version and exit" },
  { long: "help", short: "h", help: "print this help and exit" },
];

/** How a full-screen program is made to repaint, the default first. */
export const REDRAW_CHOICES = ["winch", "ctrl-l", "none"] as const satisfies readonly Redraw[];

/** Seconds to wait for every thread of the target to stop, unless --timeout says otherwise. */
export const DEFAULT_TIMEOUT_SECONDS = 10;

export const REPTYR_OPTIONS: readonly OptionSpec[] = [
  { long: "steal", short: "T", help: "take over the whole terminal that PID runs on" },
  {
    long: "redraw",
    value: REDRAW_CHOICES.join("|"),
    help: `how a full-screen program repaints (${REDRAW_CHOICES[0]})`,
  },
  {
    long: "timeout",
    value: "SECONDS",
    help: `give up stopping PID after this long (${DEFAULT_TIMEOUT_SECONDS})`,
  },
  { long: "force-stdio", short: "s", help: "take fds 0-2 even where they are no terminal" },
  { long: "alone", short: "1", help: "only PID; its children and its job stay" },
  { long: "hangup", help: "hang the job up if terminal or output is lost" },
  { long: "list", help: "list processes on terminals, and what can move" },
  { long: "why", value: "PID", help: "say whether PID can be moved, or why not" },
  { long: "json", help: "--list and --why for programs to read" },
  {
    long: "install",
    value: "DIR",
    optional: true,
    help: "put this program and its link procout into DIR",
  },
  ...COMMON,
];

/** The first one is the default of each. */
export const FORMAT_CHOICES = [
  "raw",
  "line",
  "json",
  "cast",
  "hex",
] as const satisfies readonly FormatName[];
export const COLOR_CHOICES = ["auto", "always", "never"] as const satisfies readonly ColorChoice[];
export const ENGINE_CHOICES = ["auto", "bpf", "ptrace"] as const satisfies readonly EngineChoice[];

export const PROCOUT_OPTIONS: readonly OptionSpec[] = [
  { long: "follow", short: "f", help: "children too, there already or to come" },
  { long: "fd", value: "LIST", help: "only these descriptors, as in 1,2,5-7" },
  { long: "stdin", short: "i", help: "also what is read from descriptor 0" },
  { long: "output", short: "o", value: "FILE", help: "write the mirror to FILE" },
  { long: "append", short: "a", help: "add to FILE" },
  {
    long: "format",
    value: "FORMAT",
    choices: FORMAT_CHOICES,
    help: `${FORMAT_CHOICES.join(", ")} (${FORMAT_CHOICES[0]})`,
  },
  {
    long: "color",
    value: "WHEN",
    choices: COLOR_CHOICES,
    help: `stderr in red: ${COLOR_CHOICES.join(", ")} (auto)`,
  },
  {
    long: "engine",
    value: "ENGINE",
    choices: ENGINE_CHOICES,
    help: `how to see it: ${ENGINE_CHOICES.join(", ")} (auto)`,
  },
  { long: "ring", value: "SIZE", help: "with bpf: room for bytes to be read (64M)" },
  { long: "lossy", help: "with bpf: drop bytes, hold nobody back" },
  { long: "redraw", help: "make a full-screen program repaint once" },
  { long: "stats", help: "say at the end how much there was" },
  ...COMMON,
];
