/** A command as the table of options may have it one day: what no option has today is tested with it. */
import type { HelpParts } from "../../scripts/docs/help_parts.ts";

export const INVENTED: HelpParts = {
  command: "reptyr",
  usage: [
    "reptyr [OPTION]... PID",
    "reptyr -r | -X [COMMAND [ARG]...]",
    "reptyr [OPTION]... -- COMMAND",
  ],
  description: ["Invented."],
  options: [
    { long: "run", short: "r", help: "run COMMAND beside it" },
    { long: "exec", short: "X", help: "it's [run] on \\it" },
    { long: "output", short: "o", value: "FILE", help: "write to FILE" },
    { long: "way", value: "one|two-b", help: "which way" },
    { long: "into", value: "DIR", optional: true, help: "where" },
    { long: "limit", value: "SIZE", help: "how much" },
    { long: "process", short: "p", value: "PID", help: "which" },
  ],
  notes: [],
  exitStatus: "0.",
};
