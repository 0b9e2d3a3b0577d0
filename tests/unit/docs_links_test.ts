import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { dirname, join } from "@std/path";
import { anchorsOf, deadLinks, type LinkSource } from "../../scripts/docs/links.ts";

const ROOT = dirname(dirname(import.meta.dirname!));

function read(path: string): LinkSource {
  return { path, text: Deno.readTextFileSync(join(ROOT, path)) };
}

function filesBelow(folder: string, ending: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return filesBelow(path, ending);
    return name.endsWith(ending) ? [path] : [];
  });
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(join(ROOT, path));
    return true;
  } catch {
    return false;
  }
}

/** The dead links of made-up files; only these files are there. */
function deadIn(files: Readonly<Record<string, string>>): string[] {
  const sources = Object.entries(files).map(([path, text]) => ({ path, text }));
  return deadLinks(sources, (path) => path in files);
}

describe("the documents and the comments of the code", () => {
  it("link to and name only files and headings that are there", () => {
    const paths = [
      ...["README.md", "CONTRIBUTING.md", "SECURITY.md"],
      ...filesBelow("docs", ".md"),
      // All but this file, which names what is not there.
      ...["src", "scripts", "tests"].flatMap((folder) => filesBelow(folder, ".ts"))
        .filter((path) => !path.endsWith("/docs_links_test.ts")),
    ];
    assertEquals(deadLinks(paths.map(read), isThere), []);
  });
});

describe("deadLinks", () => {
  it("finds a link to a file that is not there, relative to its document", () => {
    const text = "# A\n\n[b](b.md), [gone](gone.md)\nand [more\nwords](../README.md)\n";
    assertEquals(deadIn({ "docs/a.md": text, "docs/b.md": "# B" }), [
      "docs/a.md:3: gone.md: no such file",
      "docs/a.md:5: ../README.md: no such file",
    ]);
  });

  it("finds an anchor that no heading gives, in the same document and in another", () => {
    const files = {
      "docs/a.md": "# A\n[here](#a) [there](b.md#b-c) [no](#b) [no](b.md#b-d) [no](c.ts#L1)\n",
      "docs/b.md": "## B (c)\n",
      "docs/c.ts": "",
    };
    assertEquals(deadIn(files), [
      "docs/a.md:2: #b: no heading gives this anchor",
      "docs/a.md:2: b.md#b-d: no heading gives this anchor",
      "docs/a.md:2: c.ts#L1: an anchor in a file that is no document",
    ]);
  });

  it("finds files and anchors that a document names without a link", () => {
    const files = {
      "docs/a.md": "# A\n`src/b.ts`, `src/c.ts`, docs/a.md#a and docs/a.md#b.\n",
      "src/b.ts": "",
    };
    assertEquals(deadIn(files), [
      "docs/a.md:2: src/c.ts: no such file",
      "docs/a.md:2: docs/a.md#b: no heading gives this anchor",
    ]);
  });

  it("finds dead links in comments of the code, and ignores its strings", () => {
    const text = [
      "/** See docs/a.md#gone and tests/support/b.ts. */",
      'const path = "src/made_up.ts";',
      "  // As src/c.ts.",
      "  /* As src/d.ts,",
      "   * and src/e.ts. */",
      'const other = "x"; // unlike src/f.ts',
    ].join("\n");
    assertEquals(deadIn({ "src/a.ts": text, "docs/a.md": "# A" }), [
      "src/a.ts:1: docs/a.md#gone: no heading gives this anchor",
      "src/a.ts:1: tests/support/b.ts: no such file",
      "src/a.ts:3: src/c.ts: no such file",
      "src/a.ts:4: src/d.ts: no such file",
      "src/a.ts:5: src/e.ts: no such file",
      "src/a.ts:6: src/f.ts: no such file",
    ]);
  });

  it("takes the web, code, placeholders and files of others for no links", () => {
    const text = [
      "# A",
      "[web](https://example.org/gone.md) [mail](mailto:a@example.org) `[code](gone.md)`",
      "`tests/e2e/NAME_test.ts` and `src/arch/NAME.ts`, linux/src/gone.c",
      "```",
      "[block](gone.md)",
      "```",
    ].join("\n");
    assertEquals(deadIn({ "docs/a.md": text }), []);
  });
});

describe("anchorsOf", () => {
  it("gives the anchors that GitHub gives", () => {
    const text = "# A\n## `b()` of [C](c.md)\n## /dev/null, x_y\n```\n# none\n```\n## A\n";
    assertEquals([...anchorsOf(text)], ["a", "b-of-c", "devnull-x_y", "a-1"]);
  });
});
