/** What a process is called, for people: its command line, or its name in brackets. */

import { readProcStart, readProcText } from "./gone.ts";
import { printable } from "./printable.ts";

/**
 * One line that tells a user which process this is. `cmdline` is /proc/PID/cmdline (arguments ended by
 * NUL; empty for kernel threads and zombies), `comm` the name to fall back to, shown as `[comm]`.
 */
export function commandText(cmdline: string, comm: string): string {
  // Programs that overwrite their title leave a tail of NULs behind it.
  const title = cmdline.replace(/\0+$/, "").replaceAll("\0", " ").trim();
  return title === "" ? `[${printable(comm)}]` : printable(title);
}

/** No more of a command is shown anywhere. */
const LONGEST_COMMAND = 1 << 15;

/**
 * The command of a process as one printable line; undefined when it is gone. Once the first thread has
 * exited, only another thread, `tid`, still knows the arguments.
 */
export function readCommand(pid: number, tid?: number): string | undefined {
  const cmdline = readProcStart(pid, tid, "cmdline", LONGEST_COMMAND);
  const comm = readProcText(pid, tid, "comm");
  if (cmdline === undefined || comm === undefined) return undefined;
  return commandText(cmdline, comm.replace(/\n$/, ""));
}
