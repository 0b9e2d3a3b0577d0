/**
 * Words that the project's English does without: each of them made
 * sentences that had to be decoded. Prints one line for each place; comments, messages, titles and pages alike.
 */
import { dirname, join } from "@std/path";

/** Each with what to write in its place. */
export const WORDS: readonly { readonly word: RegExp; readonly better: string }[] = [
  { word: /\bwhom\b/i, better: "name the process, thread or user" },
  { word: /\bwhoever\b/i, better: "name the process, thread or user" },
  { word: /\blest\b/i, better: "say what would happen otherwise" },
  { word: /\b(?:beget|begets|begot|begotten)\b/i, better: "fork" },
  { word: /\bso be it\b/i, better: "say what becomes of it" },
];

/** Words that the layers below the commands do without: they know no command, and not what it is about to do. */
export const COMMAND_WORDS: typeof WORDS = [
  {
    word: /\b(?:reptyr|procout)\b/i,
    better: "say what this layer does; the command says what it is for",
  },
  { word: /\bcannot move\b/i, better: "say what failed; the command says what that means" },
];
const BELOW_COMMANDS = /^src\/(?:tracee|tty|proc|arch|ffi)\//;

const FOLDERS = ["src", "tests", "scripts", "docs"];
const ENDINGS = [".ts", ".c", ".h", ".sh", ".py", ".md"];
/** The list itself and its test. */
const EXCEPT = ["scripts/check_words.ts", "tests/unit/check_words_test.ts"];

/** Each place of `text`, the file at `path`, as `path:line: "word": what to write`. Pure. */
export function checkWords(path: string, text: string): string[] {
  const words = BELOW_COMMANDS.test(path) ? [...WORDS, ...COMMAND_WORDS] : WORDS;
  return text.split("\n").flatMap((line, index) =>
    words.flatMap(({ word, better }) => {
      const found = line.match(word)?.[0];
      return found === undefined ? [] : [`${path}:${index + 1}: "${found}": ${better}`];
    })
  );
}

function filesBelow(root: string, folder: string): string[] {
  return [...Deno.readDirSync(join(root, folder))].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return filesBelow(root, path);
    return ENDINGS.some((ending) => name.endsWith(ending)) ? [path] : [];
  });
}

if (import.meta.main) {
  const root = dirname(import.meta.dirname!);
  const pages = [...Deno.readDirSync(root)].map(({ name }) => name)
    .filter((name) => name.endsWith(".md"));
  const files = [...FOLDERS.flatMap((folder) => filesBelow(root, folder)), ...pages]
    .filter((path) => !EXCEPT.includes(path));
  const problems = files.flatMap((path) =>
    checkWords(path, Deno.readTextFileSync(join(root, path)))
  );
  for (const problem of problems) console.error(problem);
  if (problems.length === 0) console.error(`No word of the list in ${files.length} files`);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
