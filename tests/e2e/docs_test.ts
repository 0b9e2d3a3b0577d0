/** Man pages and completions, read by the programs they are made for. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { dirname, join } from "@std/path";
import { bashCompletion } from "../../scripts/docs/bash.ts";
import { fishCompletion } from "../../scripts/docs/fish.ts";
import { helpParts } from "../../scripts/docs/help_parts.ts";
import { COMMANDS, docFiles } from "../../scripts/docs/mod.ts";
import { zshCompletion } from "../../scripts/docs/zsh.ts";
import { INVENTED } from "../support/docs.ts";
import { assertNoneLeft } from "../support/e2e_target.ts";
import { requires } from "../support/programs.ts";
import { Terminal } from "../support/terminal.ts";

let folder = "";

/** What a program prints; it must end with status 0 and, unless asked for, write nothing to stderr. */
function output(command: readonly string[], input = ""): string {
  const { code, stdout, stderr } = new Deno.Command(command[0]!, {
    args: command.slice(1),
    env: { LC_ALL: "C.UTF-8", MANWIDTH: "80", HOME: folder, TERM: "dumb", GROFF_NO_SGR: "1" },
    cwd: folder,
    stdin: "null",
  }).outputSync();
  const errors = new TextDecoder().decode(stderr);
  assertEquals({ code, errors }, { code: 0, errors: "" }, `${command.join(" ")} ${input}`);
  return new TextDecoder().decode(stdout);
}

describe("the documents of a release", () => {
  beforeAll(() => {
    folder = Deno.makeTempDirSync({ prefix: "reptyr-docs-" });
    const invented = [
      { path: "invented/reptyr.bash", text: bashCompletion([INVENTED]) },
      { path: "invented/_reptyr", text: zshCompletion([INVENTED]) },
      { path: "invented/reptyr.fish", text: fishCompletion(INVENTED) },
    ];
    for (
      const { path, text } of [...docFiles({ version: "1.2.3", date: "2026-01-31" }), ...invented]
    ) {
      const file = join(folder, path);
      Deno.mkdirSync(dirname(file), { recursive: true });
      Deno.writeTextFileSync(file, text);
    }
    Deno.mkdirSync(join(folder, "place a", "inner"), { recursive: true });
    Deno.writeTextFileSync(join(folder, "place b"), "");
  });
  afterAll(() => {
    Deno.removeSync(folder, { recursive: true });
    assertNoneLeft();
  });

  for (const command of COMMANDS) {
    requires("groff")(`${command}.1 is read by groff without a warning`, () => {
      const page = output(["groff", "-ww", "-man", "-Tutf8", "-P-cbou", `man/${command}.1`]);
      for (const { long } of helpParts(command).options) assertStringIncludes(page, `--${long}`);
    });
    requires("mandoc")(`${command}.1 is read by mandoc without a remark`, () => {
      assertEquals(output(["mandoc", "-Tlint", "-Wstyle", `man/${command}.1`]), "");
    });
    requires("man")(`${command}.1 is shown by man, with the warnings on`, () => {
      const shown = output(["man", "--warnings", "-l", `man/${command}.1`]);
      assertStringIncludes(shown, `${command.toUpperCase()}(1)`);
    });
  }

  requires("shellcheck")("the completion of bash passes shellcheck", () => {
    for (const file of ["completions/reptyr.bash", "invented/reptyr.bash"]) {
      assertEquals(output(["shellcheck", "--shell=bash", "--exclude=SC2154", file]), "");
    }
  });

  /** The words as readline takes them apart, the last one being completed. */
  const inBash = (file: string, ...words: string[]) =>
    output([
      "bash",
      "--norc",
      "-c",
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _reptyr "$1"; ' +
      'printf "%s\\n" "${COMPREPLY[@]}"',
      "bash",
      file,
      ...words,
    ]).split("\n").filter((line) => line !== "");
  const REAL = "completions/reptyr.bash";
  const OTHER = "invented/reptyr.bash";
  const self = String(Deno.pid);

  requires("bash")("bash completes options, values and processes", () => {
    assertEquals(inBash(REAL, "reptyr", "--red"), ["--redraw="]);
    assertEquals(inBash(REAL, "/usr/bin/reptyr", "--redraw", "=", "n"), ["none"]);
    assertEquals(inBash(REAL, "reptyr", "--redraw", "="), ["winch", "ctrl-l", "none"]);
    assertEquals(inBash(REAL, "reptyr", "--redraw", "c"), ["ctrl-l"]);
    assertEquals(inBash(REAL, "reptyr", "--timeout", ""), []);
    assertEquals(inBash(REAL, "reptyr", "--install", "=", "place"), ["place a"]);
    assertEquals(inBash(REAL, "reptyr", "--inst"), ["--install"]);
    assertEquals(inBash(REAL, "reptyr", "proc"), ["procout"]);
    assert(inBash(REAL, "reptyr", "").includes(self));
    assert(inBash(REAL, "reptyr", "--why", self.slice(0, 2)).includes(self));
    assert(!inBash(REAL, "reptyr", "x").includes(self));
    const all = (command: "reptyr" | "procout") =>
      helpParts(command).options.filter(({ value, optional }) =>
        value === undefined || optional === true
      ).map(({ long }) => `--${long}`);
    for (const name of all("reptyr")) assert(inBash(REAL, "reptyr", "-").includes(name), name);
    for (const name of all("procout")) {
      assert(inBash(REAL, "procout", "-").includes(name), name);
      assert(inBash(REAL, "reptyr", "procout", "-").includes(name), name);
    }
  });

  requires("bash")("bash completes files and the line of another command", () => {
    assertEquals(inBash(OTHER, "reptyr", "-o", "place").sort(), ["place a", "place b"]);
    assertEquals(inBash(OTHER, "reptyr", "--output", "=", "place b"), ["place b"]);
    assertEquals(inBash(OTHER, "reptyr", "--way", "=", "t"), ["two-b"]);
    assert(inBash(OTHER, "reptyr", "-r", "bas").includes("bash"));
    assert(inBash(OTHER, "reptyr", "--", "bas").includes("bash"));
    assertEquals(inBash(OTHER, "reptyr", "-X", "cat", "place").sort(), ["place a", "place b"]);
  });

  requires("bash")("bash completes what is typed on a terminal", () => {
    using terminal = Terminal.start(["bash", "--norc", "--noprofile", "-i"]);
    terminal.expect("$ ");
    terminal.line(`cd ${folder}; source completions/reptyr.bash; echo rea""dy`);
    terminal.expect("ready");
    terminal.type("reptyr --redr\tn\t--install=place\t");
    terminal.expect("reptyr --redraw=none --install=place\\ a/");
    terminal.press("^U", "^D");
    terminal.expectExit();
  });

  requires("zsh")("zsh completes what is typed on a terminal", () => {
    using terminal = Terminal.start(["zsh", "-f", "-i"], { columns: 120 });
    const setUp = `PS1='$ '; cd ${folder}; fpath=($PWD/completions $fpath); ` +
      "autoload -U compinit; compinit -u -D; echo rea''dy";
    terminal.line(setUp);
    terminal.expect("ready");
    terminal.type("reptyr --redr\tn\t--inst\tpla\t");
    terminal.expectScreen("reptyr --redraw=none --install=place\\ a/");
    terminal.press("^U");
    terminal.line(
      "fpath=($PWD/invented $fpath[2,-1]); unfunction _reptyr; compinit -u -D; echo aga''in",
    );
    terminal.expect("again");
    terminal.type("reptyr --outp\tplace\\ b\t");
    terminal.expectScreen("reptyr --output=place\\ b");
    terminal.press("^U");
    terminal.type("reptyr --exec mkdi\tpla\t");
    terminal.expectScreen("reptyr --exec mkdir place\\ a/");
    terminal.press("^U", "^D");
    terminal.expectExit();
  });

  requires("fish")("fish completes options, values and another command's line", () => {
    const inFish = (file: string, line: string) =>
      output(["fish", "--no-config", "-c", `source ${file}; complete -C ${JSON.stringify(line)}`])
        .split("\n").map((reply) => reply.split("\t")[0]!).filter((reply) => reply !== "");
    const real = "completions/reptyr.fish";
    assertEquals(inFish(real, "reptyr --redraw=n"), ["--redraw=none"]);
    assertEquals(inFish(real, "reptyr --redraw c"), ["ctrl-l"]);
    assertEquals(inFish(real, "reptyr --inst").sort(), ["--install", "--install="]);
    assertEquals(inFish(real, "reptyr --install=place"), ["--install=place a/"]);
    assert(inFish(real, "reptyr ").includes(self));
    assert(inFish(real, "reptyr --why ").includes(self));
    assertEquals(inFish(real, "reptyr proc"), ["procout"]);
    assert(inFish("completions/procout.fish", "procout --ver").includes("--version"));
    const other = "invented/reptyr.fish";
    assert(inFish(other, "reptyr -o place").includes("place b"));
    assert(inFish(other, "reptyr --run bas").includes("bash"));
  });

  it("names no option that is not in the table", () => {
    for (const { path, text } of docFiles({ version: "1", date: "2026-01-31" })) {
      if (!path.startsWith("completions/_")) continue;
      const known = COMMANDS.flatMap((command) =>
        helpParts(command).options.map(({ long }) => long)
      );
      const named = [...text.matchAll(/'?--([a-z-]+)[=\[]/g)].map(([, long]) => long!);
      assert(named.length > 0);
      for (const long of named) assert(known.includes(long), long);
    }
  });
});
