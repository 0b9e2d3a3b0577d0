/**
 * For people: every line with the time, the process and the descriptor. Pure.
 *
 *     14:03:59.042 4242 1 | a line
 *     14:03:59.043 4242 1 + the rest of a line that did not end in an earlier write
 *     14:03:59.050 4242 0 < what it read
 *
 * Nothing in a line is acted upon by a terminal: control characters are written out, `\x1b`, and so are bytes that
 * are no UTF-8, `\xff`.
 */
import { printable } from "../../proc/printable.ts";
import type { WatchEvent } from "../engine.ts";
import { clockText, type DataEvent, encode, type Format, reddened } from "./format.ts";
import { decodeStrictly, PieceJoiner } from "./utf8.ts";

export class LineFormat implements Format {
  readonly #joiner = new PieceJoiner<string>();
  /** Streams whose last line has not ended. */
  readonly #unended = new Set<string>();

  constructor(readonly red: boolean) {}

  begin(): undefined {}

  event(event: WatchEvent): Uint8Array<ArrayBuffer> | undefined {
    switch (event.kind) {
      case "output":
      case "input":
        return this.#data(event);
      case "lost": {
        const count = event.count === 0 ? "bytes" : `${event.count} bytes`;
        const prefix = prefixOf(event.time, `${event.pid} ${event.fd}`);
        return encode(`${prefix} ! ${count} lost: ${event.why}\n`);
      }
      default:
        return undefined;
    }
  }

  #data(event: DataEvent): Uint8Array<ArrayBuffer> | undefined {
    const key = `${event.pid} ${event.fd}`;
    const text = textOf(this.#joiner.join(key, event.bytes));
    if (text === "") return undefined;
    const prefix = prefixOf(event.time, key);
    const parts = text.split("\n");
    const ended = parts.at(-1) === "";
    if (ended) parts.pop();
    const lines = parts.map((part, index) => {
      const goesOn = index === 0 && this.#unended.has(key);
      const mark = event.kind === "input" ? "<" : goesOn ? "+" : "|";
      const line = `${prefix} ${mark} ${printable(part.replace(/\r$/, ""))}`;
      return this.red && event.stream === 2 ? reddened(line) : line;
    });
    if (ended) this.#unended.delete(key);
    else this.#unended.add(key);
    return encode(`${lines.join("\n")}\n`);
  }

  end(): Uint8Array<ArrayBuffer> | undefined {
    const now = Date.now();
    const lines = this.#joiner.takeRests().map(([key, rest]) =>
      `${prefixOf(now, key)} + ${printable(textOf(rest))}\n`
    );
    return lines.length === 0 ? undefined : encode(lines.join(""));
  }
}

function prefixOf(time: number, key: string): string {
  return `${clockText(time)} ${key}`;
}

/** As UTF-8 where it is; every byte that is not becomes `\xNN`. */
function textOf(bytes: Uint8Array<ArrayBuffer>): string {
  const text = decodeStrictly(bytes);
  if (text !== undefined) return text;
  let result = "";
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((length) =>
      at + length <= bytes.length && decodeStrictly(bytes.subarray(at, at + length)) !== undefined
    );
    result += length === undefined
      ? `\\x${(bytes[at] ?? 0).toString(16).padStart(2, "0")}`
      : decodeStrictly(bytes.subarray(at, at + length));
    at += length ?? 1;
  }
  return result;
}
