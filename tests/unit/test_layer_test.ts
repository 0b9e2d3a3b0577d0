import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { groupsFor, groupsOf, patternOf } from "../../scripts/test/titles.ts";
import { fileOf, parse } from "../../scripts/test_layer.ts";

const FILE = `
describe("one", () => {
  it("is first", () => {});
  requires("tmux")("is second", () => {});
  for (const name of NAMES) it(\`moves \${name} away\`, () => {});
});

describeEngines("two", () => {
  it(
    "has (brackets) and a / in it",
    () => {},
  );
});
`;

describe("the titles of a test file", () => {
  it("are found with the group that they stand in", () => {
    assertEquals(groupsOf(FILE), [
      { title: "one", inner: ["is first", "is second", "moves ${name} away"] },
      { title: "two", inner: ["has (brackets) and a / in it"] },
    ]);
  });

  it("name the groups to run for a filter", () => {
    assertEquals(groupsFor("second", FILE), ["one"]);
    assertEquals(groupsFor("a / in", FILE), ["two"]);
    assertEquals(groupsFor("moves vim away", FILE), ["one"]);
    assertEquals(groupsFor("two", FILE), ["two"]);
    assertEquals(groupsFor("third", FILE), []);
  });

  it("become a pattern that deno test takes for them alone", () => {
    assertEquals(patternOf(["a (b)/c", "d ${e} f"]), "/^(a \\(b\\)\\/c|d .* f)/");
  });
});

describe("the arguments of a layer of tests", () => {
  it("are files, a filter, and options of deno test", () => {
    assertEquals(parse(["--filter", "a b", "plan", "--fail-fast"]), {
      files: ["plan"],
      filter: "a b",
      options: ["--fail-fast"],
    });
    assertEquals(parse(["--filter=x"]).filter, "x");
  });

  it("need a title behind --filter", () => {
    assertThrows(() => parse(["--filter"]), Error, "--filter needs a title");
  });

  it("name a file in any of its forms", () => {
    const exists = (path: string) => path === "tests/unit/plan_test.ts";
    for (const name of ["plan", "plan_test", "plan_test.ts", "tests/unit/plan_test.ts"]) {
      assertEquals(fileOf("unit", name, exists), "tests/unit/plan_test.ts");
    }
    assertThrows(() => fileOf("unit", "plans", exists), Error, "No test file plans: looked for");
  });
});
