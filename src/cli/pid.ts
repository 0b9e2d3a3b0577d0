/** A process id on the command line. Pure. */

import { UsageError } from "../errors.ts";
import { printable } from "../proc/printable.ts";

/** The largest number that the kernel gives: PID_MAX_LIMIT, include/linux/threads.h. */
export const PID_MAX_LIMIT = 4_194_304;

/** The number in `text`. Throws UsageError, saying why, when no process can have that id. */
export function parsePid(text: string): number {
  const error = pidError(text);
  if (error !== undefined) throw error;
  return Number(text);
}

/** The error for a text that is no process id; undefined for one that is. */
export function pidError(text: string): UsageError | undefined {
  const why = whyNoPid(text);
  return why === undefined
    ? undefined
    : new UsageError(`'${printable(text)}' is not a PID: ${why}`);
}

/** What is wrong with `text` as a process id; undefined when nothing is. */
function whyNoPid(text: string): string | undefined {
  if (text === "") return "it is empty";
  if (/^-\d/.test(text)) return "it is negative";
  const [, digits, rest] = text.match(/^(\d*)(.*)$/s) ?? [];
  if (digits === undefined || digits === "") return "it is not a number";
  if (rest !== "") return `'${printable(rest ?? "")}' follows the number`;
  if (Number(digits) === 0) return "no process has number 0";
  if (Number(digits) > PID_MAX_LIMIT) return `the largest is ${PID_MAX_LIMIT}`;
  return undefined;
}
