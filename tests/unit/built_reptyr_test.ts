import { assertEquals, assertThrows } from "@std/assert";
import { dirname, join } from "@std/path";
import { describe, it } from "@std/testing/bdd";
import { sourceFiles, sourcesHash, STAMP_FILE } from "../../scripts/build/sources.ts";
import { builtReptyr } from "../support/built_reptyr.ts";

function withTree(body: (root: string) => void): void {
  const root = Deno.makeTempDirSync({ prefix: "reptyr-built-" });
  try {
    for (const file of ["deno.json", "src/main.ts", "src/tty/pty.ts"]) {
      Deno.mkdirSync(dirname(join(root, file)), { recursive: true });
      Deno.writeTextFileSync(join(root, file), `// ${file}\n`);
    }
    body(root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

function build(root: string): void {
  Deno.mkdirSync(join(root, "dist"));
  Deno.writeTextFileSync(join(root, "dist", STAMP_FILE), `all\n${sourcesHash(root)}\n`);
}

describe("the executable under test", () => {
  it("is built from deno.json and all files of src/", () =>
    withTree((root) => {
      assertEquals(sourceFiles(root), ["deno.json", "src/main.ts", "src/tty/pty.ts"]);
    }));

  it("has to be built first", () =>
    withTree((root) => {
      assertThrows(() => builtReptyr(root), Error, "no dist/reptyr; run deno task build first");
    }));

  it("is not used when a source has changed since", () =>
    withTree((root) => {
      build(root);
      assertEquals(builtReptyr(root), join(root, "dist", "reptyr"));
      Deno.writeTextFileSync(join(root, "src/main.ts"), "// another\n");
      assertThrows(() => builtReptyr(root), Error, "other sources than are here");
    }));
});
