/**
 * The command line of `reptyr -l` and `reptyr -L`. Their options end at the first word that is none, for what follows
 * is somebody else's command line. Pure.
 */
import type { OptionSpec } from "./option_table.ts";

/** Where COMMAND runs: beside the new terminal, or on it. */
export type NewTerminalOption = "-l" | "-L";

export interface NewTerminalWords {
  /** Each of the two that was given, in order. */
  readonly asked: readonly NewTerminalOption[];
  /** The other options, as they were given. */
  readonly options: readonly string[];
  /** COMMAND with its arguments, if any. */
  readonly command: readonly string[];
}

/** Takes a command line with -l or -L among its options apart; `undefined` for every other. */
export function newTerminalWords(
  args: readonly string[],
  table: readonly OptionSpec[],
): NewTerminalWords | undefined {
  const asked: NewTerminalOption[] = [];
  const options: string[] = [];
  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at] ?? "";
    if (word === "--") {
      at++;
      break;
    }
    if (!/^-./s.test(word)) break;
    if (word.startsWith("--")) {
      options.push(word);
      const [next] = args.slice(at + 1);
      if (next !== undefined && needsNextWord(word, table)) {
        options.push(next);
        at++;
      }
      continue;
    }
    asked.push(...(word.match(/[lL]/g) ?? []).map((letter) => `-${letter}` as NewTerminalOption));
    const others = word.replace(/[lL]/g, "");
    if (others !== "-") options.push(others);
  }
  return asked.length === 0 ? undefined : { asked, options, command: args.slice(at) };
}

function needsNextWord(word: string, table: readonly OptionSpec[]): boolean {
  return table.some(({ long, value }) => value !== undefined && word === `--${long}`);
}
