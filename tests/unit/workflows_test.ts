import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { dirname, join } from "@std/path";

const ROOT = dirname(dirname(import.meta.dirname!));
const read = (path: string) => Deno.readTextFileSync(join(ROOT, path));
const workflows = Array.from(
  Deno.readDirSync(join(ROOT, ".github", "workflows")),
  ({ name }) => name,
);

describe("the workflows", () => {
  it("are one for the tests and one for a release", () => {
    assertEquals(workflows.sort(), ["ci.yml", "release.yml"]);
  });
  for (const name of workflows) {
    const text = read(`.github/workflows/${name}`);
    it(`${name} pins every action by commit, with its version beside it`, () => {
      const uses = [...text.matchAll(/^ *(?:- )?uses: (.*)$/gm)].map(([, action]) => action!);
      assert(uses.length > 0);
      for (const action of uses) {
        assertMatch(action, /^(\.\/\S+|[\w.-]+\/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/);
      }
    });
    it(`${name} pins each action to one commit`, () => {
      const all = workflows.map((other) => read(`.github/workflows/${other}`)).join("");
      for (const [, action] of text.matchAll(/uses: ([\w.-]+\/[\w.-]+)@/g)) {
        const pins = [...all.matchAll(new RegExp(`uses: ${action}@(.*)`, "g"))].map(([, pin]) =>
          pin
        );
        assertEquals(new Set(pins).size, 1, action);
      }
    });
    it(`${name} runs the pinned Deno version, and has no write permission by default`, () => {
      const { deno } = JSON.parse(read("scripts/setup_pins.json"));
      for (const [, version] of text.matchAll(/deno@(\S+)/g)) assertEquals(version, deno);
      assertMatch(text, /^permissions:\n {2}contents: read\n\n/m);
    });
  }
  it("test on machines of both architectures", () => {
    assertMatch(read(".github/workflows/ci.yml"), /machine: \[ubuntu-24\.04, ubuntu-24\.04-arm\]/);
  });
});
