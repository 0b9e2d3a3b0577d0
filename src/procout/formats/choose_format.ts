/** Makes the format that the user asked for. */
import { CastFormat, type CastTerminal } from "./cast.ts";
import type { Format } from "./format.ts";
import { HexFormat } from "./hex.ts";
import { JsonFormat } from "./json.ts";
import { LineFormat } from "./line.ts";
import { RawFormat } from "./raw.ts";

export type FormatName = "raw" | "line" | "json" | "cast" | "hex";
export type ColorChoice = "auto" | "always" | "never";

export interface FormatOptions {
  readonly format: FormatName;
  readonly color: ColorChoice;
  /** Whether the mirror goes to a file in place of our standard output. */
  readonly toFile: boolean;
  /** What a recording says of the target's terminal, at any time. */
  readonly terminal: () => CastTerminal;
}

/** The format. Colours are for a terminal of the user that did not forbid them (NO_COLOR). */
export function makeFormat({ format, color, toFile, terminal }: FormatOptions): Format {
  const shownOn = format === "raw" ? Deno.stderr : Deno.stdout;
  const auto = !toFile && shownOn.isTerminal() && !Deno.noColor;
  const red = color === "always" || color === "auto" && auto;
  switch (format) {
    case "raw":
      return new RawFormat(red, !toFile && Deno.stdout.isTerminal());
    case "line":
      return new LineFormat(red);
    case "hex":
      return new HexFormat(red);
    case "json":
      return new JsonFormat();
    case "cast": {
      const env = { TERM: Deno.env.get("TERM") ?? "", SHELL: Deno.env.get("SHELL") ?? "" };
      return new CastFormat(performance.timeOrigin + performance.now(), terminal, env);
    }
  }
}
