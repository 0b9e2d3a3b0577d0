/**
 * Makes what a release publishes, in dist/release: an archive and a Debian package for each target, and
 * SHA256SUMS; then checks them. With --dry everything is made twice, and must be the same twice.
 *
 *     deno run -A scripts/release.ts [--dry] [--fast] [--target=TARGET]... [--output=FOLDER]
 *     deno run -A scripts/release.ts --notes=TAG
 */
import { parseArgs } from "@std/cli/parse-args";
import { dirname, join } from "@std/path";
import { VERSION } from "../src/cli/version.ts";
import { docFiles } from "./docs/mod.ts";
import { checkArchive, checkDeb } from "./release/check.ts";
import {
  archiveEntries,
  archiveName,
  type Parts,
  type Target,
  TARGETS,
} from "./release/contents.ts";
import { writeDeb } from "./release/deb.ts";
import { releaseNotes } from "./release/notes.ts";
import { sourceDate } from "./release/source_date.ts";
import { gzip, tar } from "./release/tar.ts";
import { sha256 } from "./setup.ts";
import { STAMP_FILE } from "./build/sources.ts";

const ROOT = dirname(import.meta.dirname!);

interface Made {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly check: () => string;
}

/** The user should read this as one line. */
class ReleaseError extends Error {}

function main(args: string[]): number {
  const options = parseArgs(args, {
    boolean: ["dry", "fast"],
    string: ["target", "output", "notes"],
    collect: ["target"],
    unknown: (arg) => {
      throw new ReleaseError(`Unknown argument: ${arg}`);
    },
  });
  if (options.notes !== undefined) {
    console.log(notesOf(options.notes));
    return 0;
  }
  const targets = options.target.length === 0 ? TARGETS : options.target.map((name) => {
    const found = TARGETS.find(({ target }) => target === name);
    if (found === undefined) throw new ReleaseError(`Cannot release for target ${name}`);
    return found;
  });
  const output = options.output ?? join(ROOT, "dist", "release");
  // Asked for once: a commit made meanwhile would change it.
  const time = sourceDate();
  const made = make(targets, output, time, options.fast);
  Deno.writeTextFileSync(
    join(output, "SHA256SUMS"),
    made.map(({ name, sha256 }) => `${sha256}  ${name}\n`).sort().join(""),
  );
  if (options.dry) {
    const again = `${output}.tmp-${Deno.pid}`;
    try {
      sameTwice(made, make(targets, again, time, options.fast));
    } finally {
      Deno.removeSync(again, { recursive: true });
    }
  }
  for (const { name, sha256, bytes, check } of made) {
    console.log(`${sha256}  ${name} (${(bytes / 1e6).toFixed(1)} MB): ${check()}`);
  }
  if (options.dry) console.log("Made twice, the same twice");
  return 0;
}

/** Builds every target from nothing and packs it into `output`, which is emptied first. */
function make(
  targets: readonly Target[],
  output: string,
  time: number,
  fast: boolean,
): readonly Made[] {
  if (exists(output)) Deno.removeSync(output, { recursive: true });
  Deno.mkdirSync(output, { recursive: true });
  const read = (name: string) => Deno.readTextFileSync(join(ROOT, name));
  const date = new Date(time * 1000).toISOString().slice(0, 10);
  const shared = {
    version: VERSION,
    docs: docFiles({ version: VERSION, date }),
    license: read("LICENSE"),
    readme: read("README.md"),
    changelog: read("CHANGELOG.md"),
    time,
  };
  Deno.writeTextFileSync(join(output, "install.sh"), installScript(read("scripts/install.sh")));
  const script = of("install.sh", () => "knows " + (releasedAt() || "no address"));
  return [script, ...targets.flatMap(packed)];

  function packed(target: Target): Made[] {
    const parts: Parts = { ...shared, executable: build(target.target) };
    const archive = `${archiveName(VERSION, target.target)}.tar.gz`;
    const bytes = gzip(tar(archiveEntries(parts, target.target), time), fast ? 1 : 6);
    Deno.writeFileSync(join(output, archive), bytes);
    const made = [of(archive, (file) => checkArchive(file, VERSION, target))];
    if (hasDpkgDeb()) {
      const deb = writeDeb(parts, target, output, fast);
      made.push(of(deb, (file) => checkDeb(file, VERSION, target)));
    } else {
      console.error("No .deb is made: there is no dpkg-deb here");
    }
    return made;
  }

  function of(name: string, check: (file: string) => string): Made {
    const file = join(output, name);
    const bytes = Deno.readFileSync(file);
    return { name, sha256: sha256(bytes), bytes: bytes.length, check: () => check(file) };
  }
}

/** The folder of the web that the release is going to be in; scripts/install.sh downloads from there. */
function releasedAt(): string {
  const url = Deno.env.get("REPTYR_RELEASE_URL") ?? "";
  if (!/^(https:\/\/[\w.\/:+-]+)?$/.test(url)) throw new ReleaseError(`No address: ${url}`);
  return url;
}

function installScript(text: string): string {
  const unset = "released_at=''\n";
  if (!text.includes(unset)) throw new Error("scripts/install.sh has no line to fill in");
  return text.replace(unset, () => `released_at='${releasedAt()}'\n`);
}

function build(target: string): Uint8Array {
  const folder = join(ROOT, "dist", target);
  // Without its stamp an executable counts as out of date.
  const stamp = join(folder, STAMP_FILE);
  if (exists(stamp)) Deno.removeSync(stamp);
  const { success } = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "scripts", "build.ts"), "--target", target],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync();
  if (!success) throw new ReleaseError(`Cannot build for ${target}`);
  return Deno.readFileSync(join(folder, "reptyr"));
}

function sameTwice(first: readonly Made[], second: readonly Made[]): void {
  const differing = first.filter(({ name, sha256 }) =>
    second.find((other) => other.name === name)?.sha256 !== sha256
  );
  if (differing.length === 0) return;
  const names = differing.map(({ name }) => name).join(", ");
  throw new ReleaseError(`Not reproducible, made twice with different bytes: ${names}`);
}

function notesOf(tag: string): string {
  const version = tag.replace(/^v/, "");
  if (version !== VERSION) {
    throw new ReleaseError(`Tag ${tag} is not that of version ${VERSION}: src/cli/version.ts`);
  }
  const notes = releaseNotes(Deno.readTextFileSync(join(ROOT, "CHANGELOG.md")), version);
  if (notes === undefined) throw new ReleaseError(`CHANGELOG.md has no section ## ${version}`);
  return notes.trimEnd();
}

function hasDpkgDeb(): boolean {
  try {
    return new Deno.Command("dpkg-deb", { args: ["--version"], stdout: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

if (import.meta.main) {
  try {
    Deno.exit(main(Deno.args));
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
