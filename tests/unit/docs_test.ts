import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { bashCompletion } from "../../scripts/docs/bash.ts";
import { fishCompletion } from "../../scripts/docs/fish.ts";
import {
  beforeCommand,
  helpParts,
  optionSpellings,
  takesPid,
  usageOnly,
  valueKind,
} from "../../scripts/docs/help_parts.ts";
import { escape, manPage } from "../../scripts/docs/man_page.ts";
import { COMMANDS, docFiles } from "../../scripts/docs/mod.ts";
import { PROSE } from "../../scripts/docs/prose.ts";
import { zshCompletion } from "../../scripts/docs/zsh.ts";
import { helpText } from "../../src/cli/help.ts";
import { longText } from "../../src/cli/option_table.ts";
import { INVENTED } from "../support/docs.ts";

const FACTS = { version: "1.2.3", date: "2026-01-31" };

describe("helpParts", () => {
  for (const command of COMMANDS) {
    it(`holds everything that ${command} --help says`, () => {
      const parts = helpParts(command);
      const words = (text: string) => text.split(/\s+/).filter((word) => word !== "");
      const options = parts.options.flatMap((option) => [
        ...(option.short === undefined ? [] : [`-${option.short},`]),
        ...words(longText(option)),
        ...words(option.help),
      ]);
      assertEquals(
        [
          "Usage:",
          ...words(parts.usage.join(" ")),
          ...words(parts.description.join(" ")),
          ...options,
          ...words(parts.notes.join(" ")),
          ...(parts.exitStatus === "" ? [] : words(`Exit status: ${parts.exitStatus}`)),
        ].sort(),
        words(helpText(command)).sort(),
      );
      for (const line of parts.usage) assert(line.startsWith(command), line);
    });
  }
  it("knows after which options another command's line begins", () => {
    assertEquals(beforeCommand(INVENTED), ["--", "-r", "--run", "-X", "--exec"]);
    assertEquals(beforeCommand({ ...INVENTED, usage: ["reptyr PID"] }), []);
  });
  it("knows the options that only the usage line names", () => {
    const parts = { ...INVENTED, usage: ["reptyr -r|-q|-Q [COMMAND]", "reptyr --other"] };
    assertEquals(usageOnly(parts), ["-q", "-Q", "--other"]);
    assertEquals(beforeCommand(parts), ["-r", "--run", "-q", "-Q"]);
    assertEquals(usageOnly(INVENTED), []);
  });
  it("knows what value an option takes", () => {
    assertEquals(INVENTED.options.map((option) => valueKind(option)?.kind), [
      undefined,
      undefined,
      "file",
      "choices",
      "folder",
      "free",
      "pid",
    ]);
    assertEquals(takesPid(INVENTED), true);
    assertEquals(takesPid({ ...INVENTED, usage: ["reptyr -l"] }), false);
  });
});

describe("manPage", () => {
  for (const command of COMMANDS) {
    const page = manPage(command, FACTS);
    const parts = helpParts(command);
    it(`of ${command} has its title, its sections in their order and every option`, () => {
      assertStringIncludes(
        page,
        `.TH ${command.toUpperCase()} 1 2026-01-31 "reptyr 1.2.3" "User Commands"\n`,
      );
      const sections = [...page.matchAll(/^\.SH (.*)$/gm)].map(([, title]) => title!);
      const usual = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES"];
      usual.push("ENVIRONMENT", "NOTES", "SEE ALSO");
      assertEquals(sections, usual.filter((title) => sections.includes(title)));
      assertEquals(sections.slice(0, 4), usual.slice(0, 4));
      assertEquals(sections.at(-1), "SEE ALSO");
      const plain = page.replaceAll(/\\f[BIR]/g, "").replaceAll("\\-", "-")
        .replaceAll("\\(ti", "~").replaceAll("\\(aq", "'");
      for (const option of parts.options) {
        const letter = option.short === undefined ? "" : `-${option.short}, `;
        assertStringIncludes(plain, `\n.TP\n${letter}${longText(option)}\n`);
        const help = option.help.charAt(0).toUpperCase() + option.help.slice(1);
        assertStringIncludes(plain.replaceAll("\n", " "), help);
      }
      assertStringIncludes(plain, `${command} - ${PROSE[command].summary}`);
    });
    it(`of ${command} has no line that roff would take for a request`, () => {
      for (const line of page.split("\n")) {
        if (line.startsWith("'")) throw new Error(`A request: ${line}`);
        if (line.startsWith(".")) assertMatch(line, /^\.(\\"|TH|SH|PP|TP|br|nh|ad) ?/);
      }
    });
  }
  it("is the same for the same facts", () => {
    assertEquals(docFiles(FACTS), docFiles(FACTS));
  });
  it("escapes characters that roff would interpret", () => {
    assertEquals(escape("a-b \\n `x' ^~"), "a\\-b \\en \\(gax\\(aq \\(ha\\(ti");
  });
});

describe("completions", () => {
  const texts: [string, string][] = [
    ["bash", bashCompletion(COMMANDS.map(helpParts))],
    ["zsh", zshCompletion(COMMANDS.map(helpParts))],
    ["fish", COMMANDS.map((command) => fishCompletion(helpParts(command))).join("")],
  ];
  for (const [shell, text] of texts) {
    it(`of ${shell} have every option of both commands`, () => {
      for (const command of COMMANDS) {
        for (const option of helpParts(command).options) {
          for (const spelling of optionSpellings(option)) {
            const wanted = shell === "fish"
              ? spelling.replace(/^--/, "-l ").replace(/^-(.)$/, "-s $1")
              : spelling;
            assertMatch(text, new RegExp(`[ '({,]${wanted}[ =,)}\\n[]`), `${shell}: ${spelling}`);
          }
        }
      }
    });
  }
  it("of zsh and fish quote characters that a shell would interpret", () => {
    assertStringIncludes(zshCompletion([INVENTED]), "'[it'\\''s \\[run\\] on \\\\it]'");
    assertStringIncludes(fishCompletion(INVENTED), "-d 'it\\'s [run] on \\\\it'");
  });
});
