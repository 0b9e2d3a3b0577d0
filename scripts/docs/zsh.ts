/** Completion for zsh: zshcompsys(1), _arguments. Pure. */
import type { OptionSpec } from "../../src/cli/option_table.ts";
import {
  beforeCommand,
  type HelpParts,
  optionSpellings,
  takesPid,
  usageOnly,
  valueKind,
} from "./help_parts.ts";

export function zshCompletion(commands: readonly HelpParts[]): string {
  return `#compdef ${commands.map(({ command }) => command).join(" ")}
# Made by scripts/docs.ts from the table of options; not to be edited.
${commands.map(commandFunction).join("")}
if [[ $service == procout || ($CURRENT -gt 2 && $words[2] == procout) ]]; then
  _reptyr_for_procout
else
  _reptyr_for_reptyr
fi
`;
}

function commandFunction(parts: HelpParts): string {
  const { command, options } = parts;
  const before = beforeCommand(parts);
  return `
_reptyr_for_${command}() {
${
    before.length === 0 ? "" : `  local index
  for ((index = 2; index < CURRENT; index++)); do
    case $words[index] in
      (${before.join("|")})
        shift index words
        ((CURRENT -= index))
        _normal
        return
        ;;
    esac
  done
`
  }  _arguments -s \\
${usageOnly(parts).map((name) => `    '${name}' \\\n`).join("")}${
    options.map((option) => `    ${argument(option)} \\\n`).join("")
  }    ${takesPid(parts) ? `'*:process:_reptyr_words_${command}'` : "'*: : '"}
}

_reptyr_words_${command}() {
${command === "reptyr" ? "  ((CURRENT == 2)) && compadd procout\n" : ""}  _pids
}
`;
}

function argument(option: OptionSpec): string {
  const spellings = optionSpellings(option);
  const help = `[${option.help.replaceAll(/[\[\]\\]/g, "\\$&")}]`;
  const value = valuePart(option);
  const long = option.value === undefined
    ? `--${option.long}`
    // Only after \`=\`, or after it or as the next word.
    : option.optional === true
    ? `--${option.long}=-`
    : `--${option.long}=`;
  if (option.short === undefined) return quoted(`${long}${help}${value}`);
  const letter = option.value === undefined ? `-${option.short}` : `-${option.short}+`;
  return `${quoted(`(${spellings.join(" ")})`)}{${letter},${long}}${quoted(help + value)}`;
}

function valuePart(option: OptionSpec): string {
  const kind = valueKind(option);
  if (kind === undefined) return "";
  const colon = option.optional === true ? "::" : ":";
  switch (kind.kind) {
    case "choices":
      return `${colon}way:(${kind.choices.join(" ")})`;
    case "pid":
      return `${colon}process:_pids`;
    case "folder":
      return `${colon}folder:_files -/`;
    case "file":
      return `${colon}file:_files`;
    case "free":
      return `${colon}${option.value}: `;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
