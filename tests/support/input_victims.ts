/** Victims that every user may run: those of `programs.ts` are in a folder for us alone. */
import { join } from "@std/path";
import { victim } from "./programs.ts";

let folder: string | undefined;
const copied = new Map<string, string>();

/** As `victim()`, in a place where user `nobody` finds it. Deleted at the end of the test module. */
export function publicVictim(name: string, flags: readonly string[] = []): string {
  const original = victim(name, flags);
  const known = copied.get(original);
  if (known !== undefined) return known;
  if (folder === undefined) {
    const made = folder = Deno.makeTempDirSync({ prefix: "reptyr-public-" });
    globalThis.addEventListener("unload", () => Deno.removeSync(made, { recursive: true }));
    Deno.chmodSync(made, 0o755);
  }
  const copy = join(folder, `${name}.${copied.size}`);
  Deno.copyFileSync(original, copy);
  Deno.chmodSync(copy, 0o755);
  copied.set(original, copy);
  return copy;
}
