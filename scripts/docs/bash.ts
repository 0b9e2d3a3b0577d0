/** Completion for bash, with nothing but bash: bash-completion may not be there. Pure. */
import type { OptionSpec } from "../../src/cli/option_table.ts";
import {
  beforeCommand,
  type HelpParts,
  optionSpellings,
  takesPid,
  usageOnly,
  valueKind,
} from "./help_parts.ts";

/** One file for both commands; it is found under the name of each. */
export function bashCompletion(commands: readonly HelpParts[]): string {
  return `# bash completion for ${commands.map(({ command }) => command).join(" and ")}
# Made by scripts/docs.ts from the table of options; not to be edited.

# The processes that may be of use: one's own, or all for root.
__reptyr_pids() {
  local folder
  for folder in /proc/[0-9]*; do
    if [[ $EUID -eq 0 || -O $folder ]]; then printf '%s\\n' "\${folder#/proc/}"; fi
  done
}

# __reptyr_reply CURRENT WORD...: the words that begin like CURRENT
__reptyr_reply() {
  local current=$1 word
  shift
  COMPREPLY=()
  for word; do
    [[ $word == "$current"* ]] && COMPREPLY+=("$word")
  done
}

# __reptyr_paths CURRENT -d|-f: folders, or files and folders
__reptyr_paths() {
  local path
  COMPREPLY=()
  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$2" -- "$1")
  compopt -o filenames 2>/dev/null
}

# __reptyr_command INDEX: the line of another command begins at that word
__reptyr_command() {
  if declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  elif ((COMP_CWORD == $1)); then
    local name
    COMPREPLY=()
    while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -c -- "\${COMP_WORDS[COMP_CWORD]}")
  else
    __reptyr_paths "\${COMP_WORDS[COMP_CWORD]}" -f
  fi
}
${commands.map(commandFunction).join("")}
_reptyr() {
  COMPREPLY=()
  if [[ \${1##*/} == procout || ($COMP_CWORD -gt 1 && \${COMP_WORDS[1]} == procout) ]]; then
    __reptyr_for_procout
  else
    __reptyr_for_reptyr
  fi
}

complete -F _reptyr ${commands.map(({ command }) => command).join(" ")}
`;
}

function commandFunction(parts: HelpParts): string {
  const { command, options } = parts;
  const valued = options.filter(({ value }) => value !== undefined);
  const before = beforeCommand(parts);
  const names = options.flatMap((option) =>
    optionSpellings(option).map((name) =>
      name.startsWith("--") && option.value !== undefined && option.optional !== true
        ? `${name}=`
        : name
    )
  );
  const words = takesPid(parts)
    ? '\n  # shellcheck disable=SC2046 # one word for each number\n  __reptyr_reply "$current" $(__reptyr_pids)'
    : "";
  // The other command is the first word of this one.
  const other = command === "reptyr"
    ? '\n  if ((COMP_CWORD == 1)) && [[ procout == "$current"* ]]; then COMPREPLY+=(procout); fi'
    : "";
  return `
__reptyr_for_${command}() {
  local current=\${COMP_WORDS[COMP_CWORD]} option="" equals=""
${
    before.length === 0 ? "" : `  local index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index]} in
      ${before.join(" | ")})
        __reptyr_command $((index + 1))
        return
        ;;
    esac
  done
`
  }  # Readline takes \`=\` for a word of its own.
  if ((COMP_CWORD > 1)); then option=\${COMP_WORDS[COMP_CWORD - 1]}; fi
  if [[ $current == = ]]; then
    current="" equals=1
  elif [[ $option == = ]] && ((COMP_CWORD > 2)); then
    option=\${COMP_WORDS[COMP_CWORD - 2]} equals=1
  fi
${
    valued.length === 0
      ? ""
      : `  case $option$equals in\n${valued.map(valueCase).join("")}  esac\n`
  }  if [[ $current == -* ]]; then
    __reptyr_reply "$current" ${[...usageOnly(parts), ...names].join(" ")}
    if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
    return
  fi${words}${other}
}
`;
}

function valueCase(option: OptionSpec): string {
  const spellings = optionSpellings(option);
  // A value that may be left out is never the next word.
  const patterns = option.optional === true
    ? spellings.map((name) => `${name}1`)
    : spellings.flatMap((name) => [name, `${name}1`]);
  const kind = valueKind(option);
  const reply = kind?.kind === "choices"
    ? `__reptyr_reply "$current" ${kind.choices.join(" ")}`
    : kind?.kind === "pid"
    ? '# shellcheck disable=SC2046\n      __reptyr_reply "$current" $(__reptyr_pids)'
    : kind?.kind === "folder"
    ? '__reptyr_paths "$current" -d'
    : kind?.kind === "file"
    ? '__reptyr_paths "$current" -f'
    : ":";
  return `    ${patterns.join(" | ")})
      ${reply}
      return
      ;;
`;
}
