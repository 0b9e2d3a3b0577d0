/** The program under test, as it is built. */
import { dirname, join } from "@std/path";
import { Terminal, type TerminalOptions } from "./terminal.ts";

const ROOT = dirname(dirname(import.meta.dirname!));

/** REPTYR_BIN, or what `deno task build` made. */
export const reptyrPath: string = Deno.env.get("REPTYR_BIN") ?? join(ROOT, "dist", "reptyr");

/** A new terminal with `reptyr ARGS` on it. */
export function startReptyr(
  args: readonly (string | number)[],
  options: TerminalOptions = {},
): Terminal {
  return Terminal.start([reptyrPath, ...args.map(String)], { label: "reptyr", ...options });
}
