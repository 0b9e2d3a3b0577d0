/** Finds the executable that `deno task build` made, and refuses a stale one. */
import { join } from "@std/path";
import { sourcesHash, STAMP_FILE } from "../../scripts/build/sources.ts";

/** The executable in dist/ of the tree at `root`. Throws an Error when there is none, or when it was made of other sources. */
export function builtReptyr(root: string): string {
  const [, sources] = (readIfThere(join(root, "dist", STAMP_FILE)) ?? "").split("\n");
  if (sources === undefined) throw new Error("There is no dist/reptyr; run deno task build first");
  if (sources !== sourcesHash(root)) {
    throw new Error(
      "dist/reptyr was made of other sources than are here; run deno task build first",
    );
  }
  return join(root, "dist", "reptyr");
}

function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
