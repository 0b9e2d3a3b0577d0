/** Which of the two commands was asked for. */

import { basename } from "@std/path/basename";
import { unlessGone } from "../proc/gone.ts";

export type CommandName = "reptyr" | "procout";

export interface Invocation {
  readonly command: CommandName;
  readonly args: readonly string[];
}

/**
 * `procout` when the program was called by that name, or when that is its first word; else `reptyr`.
 * `calledAs` is argv[0], with or without folders.
 */
export function chooseCommand(calledAs: string, args: readonly string[]): Invocation {
  if (basename(calledAs) === "procout") return { command: "procout", args };
  if (args[0] === "procout") return { command: "procout", args: args.slice(1) };
  return { command: "reptyr", args };
}

/**
 * argv[0] as the kernel has it. Deno gives no access to it; in a compiled executable /proc keeps the name it
 * was called by, also that of a symbolic link. Empty when /proc is not there.
 */
export function readCalledAs(): string {
  const cmdline = unlessGone(() => Deno.readTextFileSync("/proc/self/cmdline"));
  return cmdline?.split("\0")[0] ?? "";
}
