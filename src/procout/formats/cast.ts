/**
 * asciicast v2, which asciinema plays: a header, then one array for each event, `[seconds, code, data]`. Pure.
 * https://docs.asciinema.org/manual/asciicast/v2/
 *
 * A player shows what came out of the terminal, and there a newline came out as CR LF: what the terminal did to the
 * program's bytes is done here.
 */
import { printableJson } from "../../proc/printable.ts";
import type { WatchEvent } from "../engine.ts";
import { encode, type Format } from "./format.ts";
import { decodeLeniently, PieceJoiner } from "./utf8.ts";

/** What the format has to know of the target's terminal, at any time. */
export interface CastTerminal {
  readonly columns: number;
  readonly rows: number;
  /** Whether the terminal makes CR LF of a newline: OPOST and ONLCR in termios(3). */
  readonly translatesNewlines: boolean;
}

/** Where the target has no terminal. */
export const NO_TERMINAL: CastTerminal = { columns: 80, rows: 24, translatesNewlines: true };

export class CastFormat implements Format {
  readonly #joiner = new PieceJoiner<string>();
  readonly #started: number;
  readonly #terminal: () => CastTerminal;
  readonly #env: Readonly<Record<string, string>>;
  #size = "";
  #lastTime: number;

  /** `started` in milliseconds since 1970. */
  constructor(
    started: number,
    terminal: () => CastTerminal,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#started = this.#lastTime = started;
    this.#terminal = terminal;
    this.#env = env;
  }

  begin(): Uint8Array<ArrayBuffer> {
    const { columns: width, rows: height } = this.#terminal();
    this.#size = `${width}x${height}`;
    const timestamp = Math.floor(this.#started / 1000);
    return encode(`${printableJson({ version: 2, width, height, timestamp, env: this.#env })}\n`);
  }

  event(event: WatchEvent): Uint8Array<ArrayBuffer> | undefined {
    switch (event.kind) {
      case "output":
      case "input": {
        const code = event.kind === "input" ? "i" : "o";
        // Several processes and descriptors on one screen: each of them finishes its own characters.
        const key = `${code} ${event.pid} ${event.fd}`;
        const text = decodeLeniently(this.#joiner.join(key, event.bytes));
        return text === "" ? undefined : this.#line(event.time, code, this.#shown(text, code));
      }
      case "resize": {
        const { columns, rows } = this.#terminal();
        const size = `${columns}x${rows}`;
        if (size === this.#size) return undefined;
        this.#size = size;
        return this.#line(event.time, "r", size);
      }
      default:
        return undefined;
    }
  }

  #shown(text: string, code: string): string {
    return code === "o" && text.includes("\n") && this.#terminal().translatesNewlines
      ? text.replaceAll("\n", "\r\n")
      : text;
  }

  #line(time: number, code: string, data: string): Uint8Array<ArrayBuffer> {
    this.#lastTime = Math.max(time, this.#lastTime);
    const seconds = Math.round((this.#lastTime - this.#started) * 1000) / 1e6;
    return encode(`${printableJson([seconds, code, data])}\n`);
  }

  end(): Uint8Array<ArrayBuffer> | undefined {
    const lines = this.#joiner.takeRests().map(([key, rest]) =>
      new TextDecoder().decode(this.#line(this.#lastTime, key.charAt(0), decodeLeniently(rest)))
    );
    return lines.length === 0 ? undefined : encode(lines.join(""));
  }
}
