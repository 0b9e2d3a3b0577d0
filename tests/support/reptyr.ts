/** The program under test, as it is built. */
import { dirname } from "@std/path";
import { builtReptyr } from "./built_reptyr.ts";
import { Terminal, type TerminalOptions } from "./terminal.ts";

const ROOT = dirname(dirname(import.meta.dirname!));

/** REPTYR_BIN, or what `deno task build` made of the sources as they are. */
export const reptyrPath: string = Deno.env.get("REPTYR_BIN") ?? builtReptyr(ROOT);

/** A new terminal with `reptyr ARGS` on it. */
export function startReptyr(
  args: readonly (string | number)[],
  options: TerminalOptions = {},
): Terminal {
  return Terminal.start([reptyrPath, ...args.map(String)], { label: "reptyr", ...options });
}
