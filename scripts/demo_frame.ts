/** A terminal's screen as a picture in text. */

/** Rows that are printed of a long screen: its first ones, and where status lines stand, its last ones. */
const FIRST = 9;
const LAST = 3;

/** `lines` of a screen within a frame that carries `title`; rows that say little are left out, and counted. */
export function frame(lines: readonly string[], columns: number, title: string): string[] {
  const heading = ` ${title} `;
  const inside = shorten(lines).map((line) =>
    typeof line === "number"
      ? `┊ ${`(${line} more)`.padEnd(columns - 1)}┊`
      : `│${line.padEnd(columns)}│`
  );
  return [
    `┌─${heading}${"─".repeat(Math.max(0, columns - heading.length - 1))}┐`,
    ...inside,
    `└${"─".repeat(columns)}┘`,
  ];
}

/** `lines` with each run of equal rows, and the middle of what is still long, as a number of rows. */
export function shorten(lines: readonly string[]): (string | number)[] {
  const short: (string | number)[] = [];
  for (let at = 0; at < lines.length;) {
    let end = at + 1;
    while (end < lines.length && lines[end] === lines[at]) end++;
    short.push(lines[at]!);
    if (end - at === 2) short.push(lines[at]!);
    if (end - at > 2) short.push(end - at - 1);
    at = end;
  }
  if (short.length <= FIRST + LAST + 1) return short;
  const middle = short.slice(FIRST, -LAST);
  const left = middle.reduce((sum: number, line) => sum + (typeof line === "number" ? line : 1), 0);
  return [...short.slice(0, FIRST), left, ...short.slice(-LAST)];
}
