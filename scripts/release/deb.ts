/** A Debian package made by dpkg-deb(1). */
import { createHash } from "node:crypto";
import { dirname, join } from "@std/path";
import {
  DEB_NAME,
  debControl,
  debEntries,
  debVersion,
  type Parts,
  type Target,
} from "./contents.ts";

/** Writes the package into `folder`; its name. The same parts make the same bytes. `fast` compresses less. */
export function writeDeb(
  parts: Parts,
  { debian }: Target,
  folder: string,
  fast: boolean,
): string {
  const name = `${DEB_NAME}_${debVersion(parts.version)}_${debian}.deb`;
  const tree = join(folder, `.deb.tmp-${Deno.pid}`);
  try {
    const entries = debEntries(parts);
    let size = 0;
    const sums: string[] = [];
    for (const entry of entries) {
      const path = join(tree, entry.path);
      makeFolder(dirname(path));
      if (entry.kind === "link") {
        Deno.symlinkSync(entry.to, path);
        continue;
      }
      Deno.writeFileSync(path, entry.bytes);
      Deno.chmodSync(path, entry.mode);
      size += entry.bytes.length;
      sums.push(`${createHash("md5").update(entry.bytes).digest("hex")}  ${entry.path}\n`);
    }
    makeFolder(join(tree, "DEBIAN"));
    const control = debControl(parts.version, debian, Math.ceil(size / 1024));
    for (const [path, text] of [["control", control], ["md5sums", sums.sort(byPath).join("")]]) {
      Deno.writeTextFileSync(join(tree, "DEBIAN", path!), text!);
      Deno.chmodSync(join(tree, "DEBIAN", path!), 0o644);
    }
    const compression = fast ? ["-Zgzip", "-z1"] : ["-Zxz", "-z1"];
    const { success, stderr } = new Deno.Command("dpkg-deb", {
      args: ["--root-owner-group", ...compression, "--build", tree, join(folder, name)],
      // It sets later times to this one: what we have just written has no other.
      env: { SOURCE_DATE_EPOCH: String(parts.time), LC_ALL: "C" },
      stdin: "null",
      stdout: "null",
    }).outputSync();
    if (!success) throw new Error(`dpkg-deb failed: ${new TextDecoder().decode(stderr).trim()}`);
    return name;
  } finally {
    Deno.removeSync(tree, { recursive: true });
  }
}

function byPath(a: string, b: string): number {
  return a.slice(34) < b.slice(34) ? -1 : 1;
}

/** Whatever the umask: a package says what others may do in its folders. */
function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    makeFolder(dirname(path));
    Deno.mkdirSync(path);
  }
  Deno.chmodSync(path, 0o755);
}
