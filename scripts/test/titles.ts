/** Where the tests of a file stand, by the text of it: `deno test --filter` knows outermost groups only. Pure. */

/** An outermost group, or a test outside of any, with the titles of all that stands in it. */
export interface Group {
  readonly title: string;
  /** Without the title of the group. */
  readonly inner: readonly string[];
}

/** `describe("title"`, `it("title"`, `requires("tmux")("title"`: a call with a text as its first argument of several. */
const OPENING = /[\w.]+(?:\([^()\n]*\))?\(\s*(["'`])((?:\\.|(?!\1).)*)\1,/g;

/**
 * The groups of a test file, in its order. `deno fmt` indents what stands inside a group. Texts that are no title may be
 * among the inner ones: a filter that only they have finds a group in which nothing has that title.
 */
export function groupsOf(text: string): Group[] {
  const groups: { title: string; inner: string[] }[] = [];
  for (const { index, 2: title = "" } of text.matchAll(OPENING)) {
    if (index === 0 || text[index - 1] === "\n") groups.push({ title, inner: [] });
    else groups.at(-1)?.inner.push(title);
  }
  return groups;
}

/**
 * The titles of the groups to run for `filter`: those whose own title has it, and those with a test inside that has it.
 * A title with `${...}` in it is known when the tests run: it matches with any text in place of that.
 */
export function groupsFor(filter: string, text: string): string[] {
  return groupsOf(text).filter(({ title, inner }) =>
    [title, ...inner].some((one) => isMatch(filter, one))
  ).map(({ title }) => title);
}

/** Whether `filter` may be a part of `title`. */
function isMatch(filter: string, title: string): boolean {
  if (title.includes(filter)) return true;
  const parts = title.split(/\$\{[^}]*\}/);
  if (parts.length < 2) return false;
  return new RegExp(`^${parts.map(escape).join(".*")}$`).test(filter);
}

/** A pattern for `deno test --filter` that is true of the names of `titles` alone, whatever stands for `${...}` in them. */
export function patternOf(titles: readonly string[]): string {
  const patterns = titles.map((title) => title.split(/\$\{[^}]*\}/).map(escape).join(".*"));
  return `/^(${patterns.join("|")})/`;
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
