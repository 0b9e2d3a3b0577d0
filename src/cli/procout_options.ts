/** The command line of procout to what it asks for. Pure. */
import { UsageError } from "../errors.ts";
import { printable } from "../proc/printable.ts";
import type { MirrorRequest } from "../procout/mod.ts";
import { COLOR_CHOICES, ENGINE_CHOICES, FORMAT_CHOICES, PROCOUT_OPTIONS } from "./option_table.ts";
import { parseOptions, type Request } from "./options.ts";
import { parsePid } from "./pid.ts";

/** No process can have a higher descriptor: /proc/sys/fs/nr_open has at most this much. */
const LARGEST_FD = 2_147_483_647;
/** More than anybody has open; a longer range is a mistake. */
const LONGEST_RANGE = 1 << 20;

/** Parses the words after `procout`. Throws UsageError. */
export function parseProcout(args: readonly string[]): Request {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  const argv = end < 0 ? undefined : args.slice(end + 1);
  const { flags, values, words } = parseOptions(own, PROCOUT_OPTIONS);
  if (flags.has("help")) return { kind: "help" };
  if (flags.has("version")) return { kind: "version" };
  const path = values.get("output");
  const append = flags.has("append");
  if (append && path === undefined) throw new UsageError("option '--append' is for '--output'");
  const fds = values.get("fd");
  const engine = choose(values.get("engine"), ENGINE_CHOICES, "engine");
  for (const option of ["ring", "lossy"]) {
    if (engine === "ptrace" && (values.has(option) || flags.has(option))) {
      throw new UsageError(`option '--${option}' is for the engine bpf`);
    }
  }
  const request: MirrorRequest = {
    target: parseTarget(words, argv),
    follow: flags.has("follow"),
    choice: {
      numbers: fds === undefined ? undefined : parseDescriptors(fds),
      stdin: flags.has("stdin"),
    },
    output: path === undefined ? undefined : { path, append },
    format: choose(values.get("format"), FORMAT_CHOICES, "format"),
    color: choose(values.get("color"), COLOR_CHOICES, "choice of colours"),
    engine,
    ringBytes: parseRing(values.get("ring")),
    lossy: flags.has("lossy"),
    redraw: flags.has("redraw"),
    stats: flags.has("stats"),
  };
  return { kind: "mirror", verbose: flags.has("verbose"), request };
}

function parseTarget(
  words: readonly string[],
  argv: readonly string[] | undefined,
): MirrorRequest["target"] {
  if (argv === undefined) {
    if (words.length === 0) throw new UsageError("no PID given, and no COMMAND after '--'");
    return { kind: "processes", pids: words.map(parsePid) };
  }
  if (words[0] !== undefined) {
    throw new UsageError(
      `either PIDs or a COMMAND after '--' is needed, and '${printable(words[0])}' is given, too`,
    );
  }
  if (argv.length === 0) throw new UsageError("no COMMAND given after '--'");
  if (argv[0] === "") throw new UsageError("the COMMAND given after '--' is empty");
  return { kind: "command", argv };
}

/** `1,2,5-7` */
function parseDescriptors(text: string): Set<number> {
  const fds = new Set<number>();
  for (const word of text.split(",")) {
    const match = word.match(/^(\d+)(?:-(\d+))?$/);
    const first = Number(match?.[1] ?? NaN);
    const last = Number(match?.[2] ?? first);
    if (!(first <= last && last <= LARGEST_FD && last - first < LONGEST_RANGE)) {
      throw new UsageError(
        `'${
          printable(text)
        }' is no list of descriptors: numbers and ranges are needed, as in 1,2,5-7`,
      );
    }
    for (let fd = first; fd <= last; fd++) fds.add(fd);
  }
  return fds;
}

const DEFAULT_RING = 64 << 20;
/** Room for a few hundred short writes; what the kernel can count. */
const SMALLEST_RING = 64 << 10;
const LARGEST_RING = 1 << 30;
const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1 << 10, M: 1 << 20, G: 1 << 30 };

/** `64M`; the next power of two, as the kernel makes no other ring. */
function parseRing(text: string | undefined): number {
  if (text === undefined) return DEFAULT_RING;
  const [, digits, unit] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS[unit?.toUpperCase() ?? ""] ?? 1);
  if (!(bytes >= SMALLEST_RING && bytes <= LARGEST_RING)) {
    throw new UsageError(
      `'${printable(text)}' is no size of a ring: 64K to 1G is needed, as in 512K or 64M`,
    );
  }
  return 2 ** Math.ceil(Math.log2(bytes));
}

function choose<T extends string>(
  text: string | undefined,
  choices: readonly [T, ...T[]],
  what: string,
): T {
  if (text === undefined) return choices[0];
  const choice = choices.find((choice) => choice === text);
  if (choice === undefined) {
    throw new UsageError(
      `'${printable(text)}' is no ${what}: one of ${choices.join(", ")} is needed`,
    );
  }
  return choice;
}
