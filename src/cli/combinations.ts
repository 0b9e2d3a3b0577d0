/** Options that do not go together. Pure. */
import { UsageError } from "../errors.ts";

/** Those that say what is moved, and how. */
const HOW_TO_MOVE = ["steal", "force-stdio", "alone", "hangup"];

/** Those that make another command of it. */
const LOOKING = ["list", "why"];

/** Pairs, by their long names. */
const APART: readonly (readonly [string, string])[] = [
  // A terminal that is taken over brings all that is on it, and the descriptors of nobody are changed.
  ["steal", "force-stdio"],
  ["steal", "alone"],
  ...LOOKING.flatMap((look) => HOW_TO_MOVE.map((how) => [look, how] as const)),
];

/** Throws UsageError when two options are `given`, by their long names, that exclude each other. */
export function requireTogether(given: ReadonlySet<string>): void {
  const wrong = APART.find((pair) => pair.every((name) => given.has(name)));
  if (wrong !== undefined) throw exclude(`--${wrong[0]}`, `--${wrong[1]}`);
}

/** The error for two options that exclude each other. */
export function exclude(one: string, other: string): UsageError {
  return new UsageError(`options '${one}' and '${other}' exclude each other`);
}
