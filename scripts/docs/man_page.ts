/** A man page in the macros of man(7), made of what --help says and of the prose. Pure. */
import type { CommandName } from "../../src/cli/command_name.ts";
import { type OptionSpec } from "../../src/cli/option_table.ts";
import { helpParts } from "./help_parts.ts";
import { PROSE } from "./prose.ts";

export interface PageFacts {
  readonly version: string;
  /** `2026-01-31`. */
  readonly date: string;
}

export function manPage(command: CommandName, { version, date }: PageFacts): string {
  const help = helpParts(command);
  const prose = PROSE[command];
  const other = command === "reptyr" ? "procout(1)" : "reptyr(1)";
  const lines = [
    '.\\" Made by scripts/docs.ts from the table of options; not to be edited.',
    `.TH ${command.toUpperCase()} 1 ${date} "reptyr ${escape(version)}" "User Commands"`,
    // Neither hyphens nor justification: option names and commands are copied off the page.
    ".nh",
    ".ad l",
    ".SH NAME",
    `${command} \\- ${escape(prose.summary)}`,
    ".SH SYNOPSIS",
    ...help.usage.flatMap((line, index) => [...(index === 0 ? [] : [".br"]), usageLine(line)]),
    ".SH DESCRIPTION",
    ...paragraphs([...help.description, ...prose.description]),
    ".SH OPTIONS",
    ...help.options.flatMap((option) => [".TP", optionName(option), text(sentence(option.help))]),
    ...help.notes.flatMap((note) => [".PP", text(note)]),
    ...section("EXIT STATUS", help.exitStatus === "" ? [] : [text(sentence(help.exitStatus))]),
    ...section(
      "EXAMPLES",
      prose.examples.flatMap((
        { command, what },
      ) => [".TP", `\\fB${escape(command)}\\fR`, text(what)]),
    ),
    ...section(
      "ENVIRONMENT",
      prose.environment.flatMap(({ name, what }) => [".TP", `\\fB${escape(name)}\\fR`, text(what)]),
    ),
    ...section("NOTES", paragraphs(prose.notes)),
    ...section("SEE ALSO", [[other, ...prose.seeAlso].map(reference).join(",\n")]),
  ];
  return lines.join("\n") + "\n";
}

function section(title: string, body: readonly string[]): readonly string[] {
  return body.length === 0 ? [] : [`.SH ${title}`, ...body];
}

function paragraphs(texts: readonly string[]): readonly string[] {
  return texts.flatMap((paragraph, index) => [...(index === 0 ? [] : [".PP"]), text(paragraph)]);
}

/** What roff would take for its own, written so that it prints: groff_char(7). */
export function escape(plain: string): string {
  return plain.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga").replaceAll("^", "\\(ha").replaceAll("~", "\\(ti");
}

/** Running text with its `bold` words, in lines of at most 80 columns where words allow it. */
function text(marked: string): string {
  const roff = marked.split(/`([^`]*)`/).map((part, index) =>
    index % 2 === 1 ? `\\fB${escape(part)}\\fR` : escape(part)
  ).join("");
  const lines = [""];
  for (const word of roff.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= 80) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  // At the start of a line a dot is a request.
  return lines.map((line) => line.replace(/^\./, "\\&.")).join("\n");
}

/** The short phrases of --help as the sentences of a page. */
function sentence(phrase: string): string {
  return phrase.charAt(0).toUpperCase() + phrase.slice(1) + (/[.?!]$/.test(phrase) ? "" : ".");
}

/** `\fB-T\fR, \fB--steal\fR`; values in italics. */
function optionName({ long, short, value, optional }: OptionSpec): string {
  const letter = short === undefined ? "" : `\\fB${escape(`-${short}`)}\\fR, `;
  const name = `\\fB${escape(`--${long}`)}\\fR`;
  if (value === undefined) return letter + name;
  const shown = value.split("|").map((word) =>
    `\\f${/^[A-Z]/.test(word) ? "I" : "B"}${escape(word)}\\fR`
  ).join("|");
  return `${letter}${name}${optional === true ? `[=${shown}]` : `=${shown}`}`;
}

/** A line of the usage: what is typed as it is in bold, what stands for something in italics. */
function usageLine(line: string): string {
  return line.replaceAll(
    /([A-Z]{2,})|(-*[A-Za-z0-9][\w-]*|--)|([^\w-]+)/g,
    (_, name?: string, literal?: string, other?: string) => {
      if (name !== undefined) return `\\fI${name}\\fR`;
      if (literal !== undefined) return `\\fB${escape(literal)}\\fR`;
      return escape(other ?? "");
    },
  );
}

function reference(page: string): string {
  return page.replace(
    /^(.*)(\(\w+\))$/,
    (_, name: string, number: string) => `\\fB${escape(name)}\\fR${number}`,
  );
}
