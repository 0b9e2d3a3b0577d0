/** Text from other processes made safe to print: one line, and nothing a terminal would act on. */

/**
 * DEL and C1 controls, the line and paragraph separators, the marks that reorder text on the screen, and characters that are
 * not seen: of the category Cf those that no script needs, and the tags of plane 14, which can spell a hidden text.
 */
const HIDDEN =
  "\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f" +
  "\\ufeff\\ufff9-\\ufffb";
const TAG = "\\udb40[\\udc00-\\udc7f]";

/** With the C0 controls. A process chooses its own name and arguments, so all of these can be in them. */
const UNSAFE = new RegExp(`[\\u0000-\\u001f${HIDDEN}]|${TAG}`, "g");
const UNSAFE_IN_JSON = new RegExp(`[${HIDDEN}]|${TAG}`, "g");

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** `text` with every control character written out: `\n`, `\x1b`, `\u202e`, `\u{e0041}`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (char) => {
    const code = char.codePointAt(0) ?? 0;
    if (code > 0xffff) return `\\u{${code.toString(16)}}`;
    return SHORT[char] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
  });
}

/** As JSON.stringify(value, null, indent), with nothing in it that a terminal would act on. It means the same. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    UNSAFE_IN_JSON,
    (char) => char.split("").map((unit) => `\\u${hex(unit.charCodeAt(0), 4)}`).join(""),
  );
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

/** `text` cut to at most `max` characters; the last one is `…` when something was cut. */
export function shorten(text: string, max: number): string {
  const chars = [...text];
  return chars.length <= max ? text : `${chars.slice(0, max - 1).join("")}…`;
}
