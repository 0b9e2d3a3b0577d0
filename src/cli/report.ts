/** Errors to lines on stderr and an exit status. Pure. */

import { bold, red, setColorEnabled } from "@std/fmt/colors";
import {
  CommandError,
  GivenUpError,
  RefusedError,
  RemoteSyscallError,
  StopTimeoutError,
  SyscallError,
  TraceeDiedError,
  UsageError,
} from "../errors.ts";
import { printable } from "../proc/printable.ts";
import type { CommandName } from "./command_name.ts";

export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

export interface ReportOptions {
  readonly command: CommandName;
  /** Show the stack of an error that we did not expect. */
  readonly verbose: boolean;
  readonly color: boolean;
}

export interface Report {
  readonly lines: readonly string[];
  readonly status: number;
}

/** What to print for an error of any kind, and the status to exit with. */
export function report(error: unknown, options: ReportOptions): Report {
  const { message, more, status } = explain(error, options);
  setColorEnabled(options.color);
  const name = bold(red(`${options.command}:`));
  return { lines: [`${name} ${printable(message)}`, ...more.map(printable)], status };
}

/** Whether to write colours to stderr: it is a terminal, and the user has not set NO_COLOR to anything. */
export function wantsColor(isTerminal: boolean, noColor: string | undefined): boolean {
  return isTerminal && (noColor === undefined || noColor === "");
}

interface Explanation {
  readonly message: string;
  /** The lines after the first. */
  readonly more: readonly string[];
  readonly status: number;
}

function explain(error: unknown, { command, verbose }: ReportOptions): Explanation {
  if (error instanceof UsageError) {
    const more = [`Try '${command} --help'`];
    return { message: error.message, more, status: EXIT_USAGE };
  }
  if (error instanceof RefusedError) {
    const more = error.remedies.map((remedy) => `  ${remedy}`);
    return { message: error.message, more, status: EXIT_FAILURE };
  }
  if (error instanceof CommandError || error instanceof GivenUpError) {
    return { message: error.message, more: [], status: error.status };
  }
  if (error instanceof StopTimeoutError) {
    const more = ["  Try again later, or wait longer with --timeout=SECONDS"];
    return { message: error.message, more, status: EXIT_FAILURE };
  }
  if (error instanceof Error && isTooManyFiles(error)) {
    const more = ["  Raise RLIMIT_NOFILE where this program is started: ulimit -n NUMBER"];
    return { message: error.message, more, status: EXIT_FAILURE };
  }
  const stack = verbose && error instanceof Error ? (error.stack ?? "").split("\n").slice(1) : [];
  if (error instanceof SyscallError || error instanceof TraceeDiedError) {
    return { message: error.message, more: stack, status: EXIT_FAILURE };
  }
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const more = verbose
    ? stack
    : ["  This is a defect: run it again with --verbose and report what it says"];
  return { message: `Unexpected error: ${text}`, more, status: EXIT_FAILURE };
}

/** EMFILE of a call of our own, or of Deno's, which has no class for it. */
function isTooManyFiles(error: Error): boolean {
  if (error instanceof RemoteSyscallError) return false;
  if (error instanceof SyscallError) return error.code === "EMFILE";
  return /\(os error 24\)/.test(error.message);
}
