/** Every file that is made from the table of options, by its path below the folder it is written to. Pure. */
import type { CommandName } from "../../src/cli/command_name.ts";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { helpParts } from "./help_parts.ts";
import { manPage, type PageFacts } from "./man_page.ts";
import { zshCompletion } from "./zsh.ts";

export const COMMANDS: readonly CommandName[] = ["reptyr", "procout"];

export interface DocFile {
  readonly path: string;
  readonly text: string;
}

export function docFiles(facts: PageFacts): readonly DocFile[] {
  const parts = COMMANDS.map(helpParts);
  return [
    ...COMMANDS.map((command) => ({ path: `man/${command}.1`, text: manPage(command, facts) })),
    { path: "completions/reptyr.bash", text: bashCompletion(parts) },
    { path: "completions/_reptyr", text: zshCompletion(parts) },
    ...parts.map((part) => ({
      path: `completions/${part.command}.fish`,
      text: fishCompletion(part),
    })),
  ];
}
