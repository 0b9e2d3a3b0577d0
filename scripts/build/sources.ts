/** What an executable is compiled from: the files of src/ and deno.json, and a hash by which a stale one is known. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Beside an executable: the hash of what made it, then that of its sources alone, a line each. */
export const STAMP_FILE = ".reptyr.sources";

/** Paths below `root`, sorted. */
export function sourceFiles(root: string): string[] {
  return ["deno.json", ...filesBelow(root, "src")];
}

/** Changes with the name or the content of any source. */
export function sourcesHash(root: string): string {
  const hash = createHash("sha256");
  for (const file of sourceFiles(root)) {
    hash.update(JSON.stringify([file, readFileSync(join(root, file), "utf8")]));
  }
  return hash.digest("hex");
}

function filesBelow(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .flatMap((entry) =>
      entry.isDirectory() ? filesBelow(root, join(folder, entry.name)) : [join(folder, entry.name)]
    );
}
