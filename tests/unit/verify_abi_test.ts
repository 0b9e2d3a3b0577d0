import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { layout } from "../../src/struct.ts";
import {
  compileErrors,
  constantFacts,
  contradictions,
  type Fact,
  factsOf,
  layoutFacts,
  program,
  TARGETS,
  uncheckedArchitectures,
  valuesOf,
  verify,
} from "../../scripts/verify_abi.ts";

const fact = (name: string, ours: number | bigint, c = name): Fact => ({
  file: "a.ts",
  name,
  ours,
  c,
});

describe("constantFacts", () => {
  it("takes every export for a C constant of that name", () => {
    assertEquals(constantFacts("a.ts", { SIGHUP: 1, SIG_IGN: 1n }), [
      fact("SIGHUP", 1),
      fact("SIG_IGN", 1n),
    ]);
  });

  it("refuses an export that it cannot compare, instead of skipping it", () => {
    assertThrows(
      () => constantFacts("a.ts", { NAME: "x" }),
      TypeError,
      "a.ts: NAME is not a number",
    );
  });
});

describe("layoutFacts", () => {
  it("asks for the size, and for each field's offset and width", () => {
    const pair = layout("struct pair", 8, { a: [0, "i32"], b: [4, "u16"] });
    assertEquals(layoutFacts("a.ts", "pair", pair), [
      fact("sizeof(struct pair)", 8),
      fact("struct pair.a", 0, "offsetof(struct pair, a)"),
      fact("sizeof(struct pair.a)", 4, "sizeof(((struct pair *)0)->a)"),
      fact("struct pair.b", 4, "offsetof(struct pair, b)"),
      fact("sizeof(struct pair.b)", 2, "sizeof(((struct pair *)0)->b)"),
    ]);
  });

  it("refuses an export that is not a layout", () => {
    assertThrows(() => layoutFacts("a.ts", "NCCS", 19), TypeError, "a.ts: NCCS is not a layout");
  });
});

describe("factsOf", () => {
  it("compares the 64-bit layouts on 64-bit targets only, and constants on all", () => {
    for (const { name } of TARGETS) {
      const files = new Set(factsOf(name).map(({ file }) => file));
      assert(files.has("src/ffi/constants.ts"), name);
      assert(files.has("src/ffi/errno.ts"), name);
      assertEquals(files.has("src/ffi/structs.ts"), name !== "i386");
      assertEquals(files.has("src/arch/x86_64.ts"), name === "x86_64");
      assertEquals(files.has("src/arch/i386.ts"), name === "i386");
    }
  });
});

describe("valuesOf", () => {
  it("puts the two halves together, whatever their signs", () => {
    const assembly =
      '\t.ascii "fact 0 0 7"\n.ascii  "fact 1 0 -1070530805"\n\t.ascii "fact 2 -1 -1"';
    assertEquals([...valuesOf(assembly)], [[0, 7n], [1, 0xc030ff0bn], [2, -1n]]);
  });
});

describe("contradictions", () => {
  it("names the file, the fact, our number and C's", () => {
    const facts = [fact("A", 1), fact("B", 2), fact("C", 3n), fact("D", 4)];
    assertEquals(contradictions(facts, new Map([[0, 1n], [1, 3n], [2, 3n]])), [
      "a.ts: B: we say 2, C says 3",
      "a.ts: D: we say 4, C says nothing",
    ]);
  });
});

describe("compileErrors", () => {
  it("names the fact that does not compile, and keeps errors elsewhere", () => {
    const stderr = [
      "FACT 1: In function 'facts':",
      "FACT 1:1:68: error: 'B' undeclared (first use in this function)",
      "FACT 1:1:68: note: each undeclared identifier is reported only once",
      "<stdin>:3:10: fatal error: a.h: No such file or directory",
    ].join("\n");
    assertEquals(compileErrors([fact("A", 1), fact("B", 2)], stderr), [
      "a.ts: B: 'B' undeclared (first use in this function)",
      "<stdin>:3:10: fatal error: a.h: No such file or directory",
    ]);
  });
});

describe("program", () => {
  it("holds one statement for each fact, under the fact's name", () => {
    const source = program([fact("A", 1), fact("B", 2, "sizeof(b)")]);
    assertStringIncludes(source, '#line 1 "FACT 1"\n');
    assertStringIncludes(source, "(sizeof(b))");
    assertEquals([...source.matchAll(/__asm__/g)].length, 2);
  });
});

describe("uncheckedArchitectures", () => {
  it("finds a file of src/arch that is in no list", () => {
    const files = ["src/arch/mod.ts", "src/arch/x86_64.ts", "src/arch/vax.ts"];
    assertEquals(uncheckedArchitectures(files, factsOf("x86_64")), ["src/arch/vax.ts"]);
  });
});

describe("verify", () => {
  for (const target of TARGETS) {
    it(`lets the compiler for ${target.name} contradict wrong numbers only`, async () => {
      const result = await verify(target, [
        fact("TIOCSCTTY", 0x540e),
        fact("TCGETS2", 0x802c542a),
        fact("EPERM", 2),
        fact("struct winsize.ws_col", 3, "offsetof(struct winsize, ws_col)"),
      ]);
      if (result.kind === "skipped") return console.log(`SKIPPED: ${target.name}: ${result.why}`);
      assertEquals(result.problems, [
        "a.ts: EPERM: we say 2, C says 1",
        "a.ts: struct winsize.ws_col: we say 3, C says 2",
      ]);
    });

    it(`lets the compiler for ${target.name} name what C does not know`, async () => {
      const result = await verify(target, [fact("EPERM", 1), fact("EUNHEARD", 1)]);
      if (result.kind === "skipped") return console.log(`SKIPPED: ${target.name}: ${result.why}`);
      assertEquals(result.problems.length, 1, result.problems.join("\n"));
      assertStringIncludes(result.problems[0]!, "a.ts: EUNHEARD: ");
    });
  }

  it("skips a target without a compiler, and says which were looked for", async () => {
    const target = { ...TARGETS[0]!, compilers: ["no-such-cc"] };
    assertEquals(await verify(target, []), {
      kind: "skipped",
      why: "no C compiler for it; looked for no-such-cc",
    });
  });
});
