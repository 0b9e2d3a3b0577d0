/** What a command loads: a start costs what is loaded for it. */
import { assert, assertEquals } from "@std/assert";
import { dirname, join, normalize } from "@std/path";
import { describe, it } from "@std/testing/bdd";
import { importsOf } from "../../scripts/check_layers.ts";

const ROOT = dirname(dirname(import.meta.dirname!));

/** All modules that loading `path` loads, by their paths from the project's root; types load nothing. */
function loadedBy(path: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(path)) return found;
  found.add(path);
  for (const { specifier, typeOnly } of importsOf(Deno.readTextFileSync(join(ROOT, path)))) {
    if (!typeOnly && specifier?.startsWith(".")) {
      loadedBy(normalize(join(dirname(path), specifier)), found);
    }
  }
  return found;
}

/** Which rooms of src/reptyr those are. */
function roomsOf(modules: ReadonlySet<string>): string[] {
  const rooms = [...modules].map((path) => /^src\/reptyr\/(\w+)\//.exec(path)?.[1]);
  return [...new Set(rooms.filter((room) => room !== undefined))].sort();
}

describe("what a command loads of src/reptyr", () => {
  it("reptyr -l: nothing of a move", () => {
    const modules = loadedBy("src/reptyr/new_terminal/mod.ts");
    assertEquals(roomsOf(modules), ["frontend", "gate", "new_terminal"]);
  });

  it("reptyr --list: nothing of a service, -T and -l", () => {
    const rooms = roomsOf(loadedBy("src/reptyr/inspect/list.ts"));
    for (const room of ["serve", "steal", "new_terminal"]) assert(!rooms.includes(room), room);
  });

  it("reptyr PID: nothing of -T and -l", () => {
    const rooms = roomsOf(loadedBy("src/reptyr/mod.ts"));
    assert(rooms.includes("move"));
    for (const room of ["steal", "new_terminal"]) assert(!rooms.includes(room), room);
  });
});
