/** Completion for fish: complete(1) of fish. Pure. */
import type { OptionSpec } from "../../src/cli/option_table.ts";
import { beforeCommand, type HelpParts, takesPid, usageOnly, valueKind } from "./help_parts.ts";

/** Fish looks for one file for each command. */
export function fishCompletion(parts: HelpParts): string {
  const { command, options } = parts;
  const before = beforeCommand(parts);
  const guard = before.length === 0 ? "" : ` -n 'not __${command}_runs_command'`;
  return `# fish completion for ${command}
# Made by scripts/docs.ts from the table of options; not to be edited.
${
    before.length === 0 ? "" : `
# Whether the line of another command has begun.
function __${command}_runs_command
    for word in (commandline -opc)
        contains -- $word ${before.join(" ")}; and return 0
    end
    return 1
end
complete -c ${command} -x -n __${command}_runs_command -a '(__fish_complete_subcommand --fcs-skip=2)'
`
  }
complete -c ${command} -f${guard}${takesPid(parts) ? " -a '(__fish_complete_pids)'" : ""}
${
    command === "reptyr"
      ? "complete -c reptyr -f -n __fish_use_subcommand -a procout -d 'the other command'\n"
      : ""
  }${
    usageOnly(parts).map((name) =>
      `complete -c ${command}${guard} ${name.startsWith("--") ? "-l" : "-s"} ${
        name.replace(/^-+/, "")
      }\n`
    ).join("")
  }${options.map((option) => `complete -c ${command}${guard} ${optionPart(option)}\n`).join("")}`;
}

function optionPart(option: OptionSpec): string {
  const letter = option.short === undefined ? "" : `-s ${option.short} `;
  return `${letter}-l ${option.long}${valuePart(option)} -d ${quoted(option.help)}`;
}

function valuePart(option: OptionSpec): string {
  const kind = valueKind(option);
  // -x: a value is needed, and no file is offered for it.
  const needed = option.optional === true ? "" : " -x";
  switch (kind?.kind) {
    case undefined:
      return "";
    case "choices":
      return `${needed} -a '${kind.choices.join(" ")}'`;
    case "pid":
      return `${needed} -a '(__fish_complete_pids)'`;
    case "folder":
      return `${needed} -a '(__fish_complete_directories)'`;
    case "file":
      return option.optional === true ? " -F" : " -r -F";
    case "free":
      return needed;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
