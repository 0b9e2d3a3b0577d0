// deno-lint-ignore-file no-control-regex
/** Output of a program as characters and control sequences: ECMA-48, and xterm's control sequences. */

export type Token =
  /** A character to show, or a control character other than ESC. */
  | { readonly kind: "character"; readonly character: string }
  /** `ESC [`; `final` with its intermediates in front, such as `!p`. */
  | {
    readonly kind: "csi";
    readonly marker: string;
    readonly parameters: string;
    readonly final: string;
  }
  /** OSC 0 or 2. */
  | { readonly kind: "title"; readonly title: string }
  /** `ESC ( X` or `ESC ) X`: character set 0 or 1 becomes line drawing or not. */
  | { readonly kind: "charset"; readonly set: 0 | 1; readonly graphics: boolean }
  /** `ESC X`, or `ESC # X`. */
  | { readonly kind: "escape"; readonly final: string };

/** Private marker, parameters, intermediates, final character: ECMA-48, 5.4. */
const CSI = /\x1b\[([<=>?]?)([\d;:]*)([ -/]*)([@-~])/y;
/** Operating system command: ended by BEL or ST. */
const OSC = /\x1b\](?:[02];)?([^\x07\x1b]*)(?:\x07|\x1b\\)/y;
/** Device control, start of string, privacy message, application command: ended by ST. */
const DCS = /\x1b[PX^_][^]*?\x1b\\/y;
const CHARSET = /\x1b([()*+\-./])([^])/y;
/** A sequence whose end has not come yet. */
const INCOMPLETE = /\x1b(?:\[[<=>?]?[\d;:]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^]*|[()*+\-./ #%])?$/y;
const OTHER = /\x1b([ #%]?)([^\x1b])/y;

/** Take `input` apart; `rest` is a sequence at its end that is not complete. */
export function tokenize(input: string): { tokens: Token[]; rest: string } {
  const tokens: Token[] = [];
  for (let at = 0; at < input.length;) {
    if (input[at] !== "\x1b") {
      const character = String.fromCodePoint(input.codePointAt(at)!);
      tokens.push({ kind: "character", character });
      at += character.length;
      continue;
    }
    const found = sequenceAt(input, at);
    if (found === "incomplete") return { tokens, rest: input.slice(at) };
    if (found.token !== undefined) tokens.push(found.token);
    at += found.length;
  }
  return { tokens, rest: "" };
}

/** The sequence at `at`, with no token where it shows nothing. */
function sequenceAt(
  input: string,
  at: number,
): { token: Token | undefined; length: number } | "incomplete" {
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(input);
  };
  let found = match(CSI);
  if (found !== null) {
    const [all, marker = "", parameters = "", intermediates = "", final = ""] = found;
    return {
      token: { kind: "csi", marker, parameters, final: intermediates + final },
      length: all.length,
    };
  }
  found = match(OSC);
  if (found !== null) {
    const isTitle = /^\x1b\][02];/.test(found[0]);
    return {
      token: isTitle ? { kind: "title", title: found[1]! } : undefined,
      length: found[0].length,
    };
  }
  found = match(DCS);
  if (found !== null) return { token: undefined, length: found[0].length };
  found = match(CHARSET);
  if (found !== null) {
    const set = "()".indexOf(found[1]!);
    const graphics = found[2] === "0";
    return {
      token: set === 0 || set === 1 ? { kind: "charset", set, graphics } : undefined,
      length: found[0].length,
    };
  }
  if (match(INCOMPLETE) !== null) return "incomplete";
  found = match(OTHER);
  if (found === null) return { token: undefined, length: 1 };
  return { token: { kind: "escape", final: found[1]! + found[2]! }, length: found[0].length };
}
