/** Writes the man pages and the completions into dist/, or into the folder that is named. */
import { dirname, join } from "@std/path";
import { VERSION } from "../src/cli/version.ts";
import { docFiles } from "./docs/mod.ts";
import { sourceDate } from "./release/source_date.ts";

if (import.meta.main) {
  const folder = Deno.args[0] ?? join(dirname(import.meta.dirname!), "dist");
  const date = new Date(sourceDate() * 1000).toISOString().slice(0, 10);
  for (const { path, text } of docFiles({ version: VERSION, date })) {
    const file = join(folder, path);
    Deno.mkdirSync(dirname(file), { recursive: true });
    Deno.writeTextFileSync(file, text);
    console.error(`Wrote ${file}`);
  }
}
