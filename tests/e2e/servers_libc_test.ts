/** The oldest C library that the executable runs with. */
import { assertEquals } from "@std/assert";
import { afterAll, afterEach, describe } from "@std/testing/bdd";
import { OLDEST_GLIBC } from "../../scripts/release/contents.ts";
import { VERSION } from "../../src/cli/version.ts";
import { lacks } from "../support/capabilities.ts";
import { assertNoneLeft, Target } from "../support/e2e_target.ts";
import { isMoved, startOn } from "../support/input_run.ts";
import { OLDER_GLIBC, unpackOlderSystem } from "../support/older_system.ts";
import {
  hasCompiler,
  requires,
  requiresCompilerAnd,
  requiresThat,
  victim,
} from "../support/programs.ts";
import { reptyrPath } from "../support/reptyr.ts";
import { inSystem, runBehind } from "../support/small_root.ts";
import { waitUntil } from "../support/terminal.ts";

function objdump(option: string): string {
  const { success, stdout } = new Deno.Command("objdump", {
    args: [option, reptyrPath],
    env: { LC_ALL: "C" },
  }).outputSync();
  assertEquals(success, true);
  return new TextDecoder().decode(stdout);
}

describe("the executable and the C library", () => {
  requires("objdump")(`asks for nothing newer than glibc ${OLDEST_GLIBC}`, () => {
    const versions = [...objdump("-T").matchAll(/GLIBC_(\d+)\.(\d+)/g)]
      .map(([, major, minor]) => [Number(major), Number(minor)] as const)
      .sort(([a, b], [c, d]) => a - c || b - d);
    assertEquals(versions.at(-1)?.join("."), OLDEST_GLIBC);
  });

  requires("objdump")("needs the C library, what belongs to it, and libgcc_s", () => {
    const needed = [...objdump("-p").matchAll(/NEEDED +(\S+)/g)].map(([, name]) => name!)
      .filter((name) => !name.startsWith("ld-linux-")).sort();
    assertEquals(needed, [
      "libc.so.6",
      "libdl.so.2",
      "libgcc_s.so.1",
      "libm.so.6",
      "libpthread.so.0",
      "librt.so.1",
    ]);
  });
});

describe(`the executable on a system with glibc ${OLDER_GLIBC}`, () => {
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-older-" });
  const why = lacks("mountns", "chroot") ?? unpackOlderSystem(folder);
  afterAll(() => Deno.removeSync(folder, { recursive: true }));
  afterEach(assertNoneLeft);

  requiresThat(why === undefined, why ?? "")("says its version and lists processes", () => {
    const prefix = inSystem(folder);
    const libraries = Array.from(Deno.readDirSync(`${folder}/lib/${Deno.build.arch}-linux-gnu`));
    assertEquals(libraries.some(({ name }) => name === `libc-${OLDER_GLIBC}.so`), true);
    const stdout = `reptyr ${VERSION}\n`;
    assertEquals(runBehind(prefix, "--version"), { code: 0, stdout, stderr: "" });
    assertEquals(runBehind(prefix, "--list").code, 0);
  });

  requiresCompilerAnd(why === undefined, why ?? "")("moves a program", () => {
    const command = hasCompiler ? victim("command") : "";
    using target = Target.start(
      "session leader",
      [command],
      (terminal) => terminal.expect("ready"),
    );
    const oldTty = target.stat.ttyNr;
    const { terminal } = startOn([target.pid], { prefix: inSystem(folder) });
    using _ = terminal;
    waitUntil("the move", () => isMoved(target.pid, oldTty));
    terminal.line("hello");
    terminal.expect("line: hello");
    terminal.line("exit 9");
    assertEquals(terminal.expectExit(), { kind: "exited", status: 9 }, terminal.describe());
  });
});
