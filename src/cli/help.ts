/** The text of --help, made from the option table. Pure. */

import type { CommandName } from "./command_name.ts";
import { longText, type OptionSpec, PROCOUT_OPTIONS, REPTYR_OPTIONS } from "./option_table.ts";

const REPTYR_INTRODUCTION = `Usage: reptyr [OPTION]... PID
       reptyr -T [OPTION]... PID
       reptyr -l|-L [COMMAND [ARG]...]
       reptyr --list [--json]
       reptyr --why PID [--json]
       reptyr --install[=DIR]

Moves the running process PID, with its job, to this terminal; or, with -T, the
whole terminal that it runs on. With -l or -L: makes a new terminal, prints its
name and serves it here. COMMAND runs beside it (-l, with the name in
REPTYR_PTY), or on it (-L).
`;

const REPTYR_ENDING = `
--install without DIR takes /usr/local/bin for root, ~/.local/bin for others.

Exit status: that of the moved process where the kernel tells it (128+N when
signal N ended it), else 0; that of COMMAND, 127 when there is none and 126 when
it cannot be run; 1 when it could not be moved, or --why says that it
cannot; 2 for a wrong command line.

Its runtime needs address space: with less than 48 GB (ulimit -v) it ends with a
crash report, before anything is touched.
`;

const PROCOUT_INTRODUCTION = `Usage: procout [OPTION]... PID...
       procout [OPTION]... -- COMMAND [ARG]...

Mirrors what the running processes PID write, until they end or ^C; or runs
COMMAND and mirrors that. Nothing is changed in them.
`;

const PROCOUT_ENDING = `
Without --fd: descriptors 1 and 2, and every other one open on the same file.
Formats: raw, the bytes; line, with time, pid and descriptor; json, JSON Lines;
cast, asciicast v2 for asciinema; hex, a dump. Raw stderr goes to stderr.
Without --output the mirror is what is shown of COMMAND and of all that it
starts; with it COMMAND keeps its own output.

Exit status: 0 when the processes ended or you stopped; with COMMAND its own
(128+N when signal N ended it), 127 when there is no such program, 126 when it
cannot be run; 1 when a process could not be watched or the mirror not be
written; 2 for a wrong command line; 3 when bytes were lost.
`;

/** The help of one command, ending in a newline. */
export function helpText(command: CommandName): string {
  return command === "reptyr"
    ? `${REPTYR_INTRODUCTION}\n${optionLines(REPTYR_OPTIONS)}${REPTYR_ENDING}`
    : `${PROCOUT_INTRODUCTION}\n${optionLines(PROCOUT_OPTIONS)}${PROCOUT_ENDING}`;
}

function optionLines(options: readonly OptionSpec[]): string {
  const names = options.map((option) => {
    const letter = option.short === undefined ? "    " : `-${option.short}, `;
    return `  ${letter}${longText(option)}`;
  });
  const width = Math.max(...names.map((name) => name.length));
  return options.map(({ help }, index) => `${names[index]?.padEnd(width)}  ${help}\n`).join("");
}
