import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertMatch } from "@std/assert";
import { checkLayers, importsOf, maskText } from "../../scripts/check_layers.ts";

/** Violations of one file. */
function violations(path: string, text: string): string[] {
  return checkLayers([{ path, text }]);
}

function assertViolation(path: string, text: string, expected: RegExp): void {
  const found = violations(path, text);
  assertEquals(found.length, 1, found.join("\n"));
  assertMatch(found[0]!, expected);
}

describe("importsOf", () => {
  it("finds every form of import with its line", () => {
    const text = [
      'import a, { type B } from "./a.ts";',
      "import {",
      "  c,",
      "} from './c.ts';",
      'import "./d.ts";',
      'export * from "./e.ts";',
      'export { f as g } from "./f.ts";',
      'import type { H } from "./h.ts";',
      'type I = import("./i.ts").I;',
      'const j = await import("./j.ts");',
      "const k = await import(name);",
    ].join("\n");
    assertEquals(importsOf(text), [
      { specifier: "./a.ts", line: 1, typeOnly: false },
      { specifier: "./c.ts", line: 2, typeOnly: false },
      { specifier: "./d.ts", line: 5, typeOnly: false },
      { specifier: "./e.ts", line: 6, typeOnly: false },
      { specifier: "./f.ts", line: 7, typeOnly: false },
      { specifier: "./h.ts", line: 8, typeOnly: true },
      { specifier: "./i.ts", line: 9, typeOnly: false },
      { specifier: "./j.ts", line: 10, typeOnly: false },
      { specifier: undefined, line: 11, typeOnly: false },
    ]);
  });

  it("finds no imports in comments, strings, templates and other names", () => {
    const text = [
      '// import "./a.ts";',
      '/* export * from "./b.ts"; */',
      "const c = 'import \"./c.ts\"';",
      'const d = `import "./d.ts" ${e}`;',
      'const from = Array.from("abc");',
      'loader.import("./f.ts");',
      "const here = import.meta.url;",
    ].join("\n");
    assertEquals(importsOf(text), []);
  });

  it("keeps its place after regular expressions and nested templates", () => {
    const text = [
      "const quote = /[/\"']/.test(x) ? a / b : c;",
      "const t = `${`${ {a: '}'}.a }` + \"`\"} not code`;",
      'import "./found.ts";',
    ].join("\n");
    assertEquals(importsOf(text).map((one) => one.specifier), ["./found.ts"]);
  });
});

describe("maskText", () => {
  it("keeps offsets, lines and code", () => {
    const text = "a /* b\nc */ d // e\n'f' + `g${h}i` / 2";
    const masked = maskText(text);
    assertEquals(masked.length, text.length);
    assertEquals(masked, "a     \n     d     \n' ' + ` ${h} ` / 2");
  });
});

describe("checkLayers", () => {
  it("accepts imports that go down, inside a layer, to common files and to packages", () => {
    for (
      const [path, specifier] of [
        ["src/main.ts", "./cli/options.ts"],
        ["src/cli/run.ts", "../reptyr/mod.ts"],
        ["src/cli/version.ts", "../../deno.json"],
        ["src/reptyr/mod.ts", "../tracee/seize.ts"],
        ["src/procout/run.ts", "../arch/x86_64.ts"],
        ["src/tracee/seize.ts", "../proc/tasks.ts"],
        ["src/tty/pty.ts", "../ffi/libc.ts"],
        ["src/tty/pty.ts", "./termios.ts"],
        ["src/ffi/libc.ts", "../errors.ts"],
        ["src/cli/help.ts", "@std/fmt/colors"],
      ] as const
    ) {
      assertEquals(violations(path, `import { x } from "${specifier}";`), []);
    }
  });

  it("refuses imports that go up, however they are written", () => {
    const up = /^src\/tty\/pty\.ts:2: tty may not import reptyr/;
    for (
      const line of [
        'import { x } from "../reptyr/mod.ts";',
        'import type { X } from "../reptyr/mod.ts";',
        'export { x } from "../reptyr/mod.ts";',
        'export * from "../reptyr/mod.ts";',
        'const x = await import("../reptyr/mod.ts");',
        'import { x } from "./../ffi/../reptyr/mod.ts";',
      ]
    ) {
      assertViolation("src/tty/pty.ts", `\n${line}`, up);
    }
  });

  it("refuses imports that go sideways or past a layer", () => {
    const pairs: [string, string][] = [
      ["reptyr", "procout"],
      ["procout", "reptyr"],
      ["tty", "proc"],
      ["tty", "tracee"],
      ["proc", "tracee"],
      ["arch", "ffi"],
      ["ffi", "arch"],
      ["cli", "ffi"],
      ["cli", "tracee"],
    ];
    for (const [layer, other] of pairs) {
      assertViolation(
        `src/${layer}/mod.ts`,
        `import { b } from "../${other}/b.ts";`,
        new RegExp(`^src/${layer}/mod\\.ts:1: ${layer} may not import ${other} `),
      );
    }
  });

  it("refuses common files that import a layer, unknown layers and other packages", () => {
    assertViolation("src/errors.ts", 'import "./ffi/errno.ts";', /errors\.ts may not import ffi/);
    assertViolation("src/util/a.ts", "", /src\/util is not a layer/);
    assertViolation("src/cli/a.ts", 'import "npm:chalk@5";', /not one of the allowed packages/);
    assertViolation("src/tty/a.ts", 'import "../../scripts/build.ts";', /outside src/);
    assertViolation("src/tty/a.ts", 'import c from "../../deno.json";', /outside src/);
    assertViolation("src/cli/a.ts", "await import(name);", /cannot be checked/);
  });

  it("refuses unsafe calls outside src/ffi", () => {
    const outside = /^src\/tty\/pty\.ts:1: Deno\.\w+ may stand only in src\/ffi/;
    assertViolation("src/tty/pty.ts", 'Deno.dlopen("libc.so.6", {});', outside);
    assertViolation("src/tty/pty.ts", "new Deno.UnsafePointerView(p);", outside);
    assertViolation("src/tty/pty.ts", "globalThis.Deno.dlopen;", outside);
    assertEquals(violations("src/ffi/libc.ts", "Deno.dlopen; Deno.UnsafePointer;"), []);
    assertEquals(violations("src/tty/pty.ts", "// Deno.dlopen\nlet p: Deno.PointerValue;"), []);
  });

  it("refuses Deno as a value, which could hide unsafe calls", () => {
    const hidden = /followed by \.name/;
    assertViolation("src/tty/pty.ts", "const { dlopen } = Deno;", hidden);
    assertViolation("src/tty/pty.ts", 'Deno["dlopen"];', hidden);
  });

  it("holds the order of the rooms of src/reptyr", () => {
    assertEquals(
      violations("src/reptyr/serve/hold.ts", 'import { Gate } from "../gate/gate.ts";'),
      [],
    );
    assertEquals(
      violations("src/reptyr/move/job/job.ts", 'import { Member } from "./member.ts";'),
      [],
    );
    const pairs: [string, string][] = [
      ["gate", "record"],
      ["frontend", "serve"],
      ["inspect", "move"],
      ["move/descriptors", "move/job"],
      ["move/job", "move/session"],
      ["move", "serve"],
      ["new_terminal", "move"],
      ["serve", "steal"],
    ];
    for (const [room, other] of pairs) {
      const up = "../".repeat(room.split("/").length);
      assertViolation(
        `src/reptyr/${room}/a.ts`,
        `import type { B } from "${up}${other}/b.ts";`,
        new RegExp(`^src/reptyr/${room}/a\\.ts:1: the room ${room} may not import ${other} `),
      );
    }
    assertViolation("src/reptyr/cellar/a.ts", "", /cellar is not a room/);
    assertViolation("src/reptyr/job.ts", "", /job\.ts is not a room/);
  });

  it("refuses signals and ptrace requests of src/reptyr that do not pass the gate", () => {
    const past = /pass src\/reptyr\/gate\/gate\.ts/;
    for (
      const line of [
        'import { close, kill } from "../../ffi/process.ts";',
        'import {\n  pidfdOpen,\n  pidfdSendSignal,\n} from "../../ffi/process.ts";',
        'import { seize } from "../../tracee/ptrace.ts";',
        "Deno.kill(4242);",
        "using tracee = Tracee.seize(4242);",
        "Tracee.ask(4242)();",
      ]
    ) {
      assertViolation("src/reptyr/serve/hold.ts", line, past);
      assertEquals(violations("src/reptyr/gate/gate.ts", line), []);
    }
    assertEquals(violations("src/procout/mod.ts", "Tracee.seize(4242);"), []);
    assertEquals(
      violations("src/reptyr/serve/hold.ts", "gate.seize(a); Member.seize(b); // kill(2)"),
      [],
    );
  });

  it("refuses Deno.exit outside src/main.ts", () => {
    assertViolation(
      "src/cli/run.ts",
      "Deno.exit(1);",
      /Deno\.exit may stand only in src\/main\.ts/,
    );
    assertEquals(violations("src/main.ts", "Deno.exit(1);"), []);
  });

  it("refuses a unit test that loads FFI through other modules, but not for its types", () => {
    const libc = { path: "src/ffi/libc.ts", text: 'Deno.dlopen("libc.so.6", {});' };
    const fds = { path: "src/proc/fds.ts", text: 'import { open } from "../ffi/libc.ts";' };
    const test = (text: string) => ({ path: "tests/unit/proc/fds_test.ts", text });
    assertEquals(checkLayers([libc, fds, test('import "../../../src/proc/fds.ts";')]), [
      "tests/unit/proc/fds_test.ts:1: a unit test may not load FFI: " +
      "tests/unit/proc/fds_test.ts > src/proc/fds.ts > src/ffi/libc.ts",
    ]);
    const typesOnly = test('import type { Fd } from "../../../src/proc/fds.ts";');
    assertEquals(checkLayers([libc, fds, typesOnly]), []);
  });
});
