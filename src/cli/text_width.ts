/** Columns that text takes on a terminal. Pure, and an estimate: terminals differ in what is new in Unicode. */

/** Characters of East Asian scripts, and emoji, take two columns: Unicode Standard Annex 11. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u;
/** Marks over the character before them, and what joins characters, take none. */
const COMBINING = /[\p{Mn}\p{Me}\u200b-\u200d\ufe00-\ufe0f]/u;

/** Number of columns of `text`, which has no control characters. */
export function textWidth(text: string): number {
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

/** `text` cut to at most `max` columns; the last one is `…` when something was cut. */
export function cutToWidth(text: string, max: number): string {
  if (textWidth(text) <= max) return text;
  let width = 0;
  let cut = "";
  for (const char of text) {
    width += charWidth(char);
    if (width > max - 1) break;
    cut += char;
  }
  return `${cut}…`;
}

/** `text` with spaces after it up to `width` columns. */
export function padToWidth(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - textWidth(text)));
}

function charWidth(char: string): number {
  if (COMBINING.test(char)) return 0;
  return WIDE.test(char) ? 2 : 1;
}
