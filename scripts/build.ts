/**
 * Compiles src/main.ts: into dist/reptyr for this machine, or into dist/TARGET/reptyr for a named target.
 * A link `procout` beside it makes the second command. Nothing is done when no source has changed.
 */
import { parseArgs } from "@std/cli/parse-args";
import { dirname, join, relative } from "@std/path";
import { withEntry } from "./build/entry.ts";
import { sourceFiles, sourcesHash, STAMP_FILE } from "./build/sources.ts";
import { ensureDenort, ensureVendor, SetupError, sha256 } from "./setup.ts";

const TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];
const ROOT = dirname(import.meta.dirname!);

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: string[]): Promise<number> {
  const unknown: string[] = [];
  const options = parseArgs(args, {
    string: ["target"],
    unknown: (arg) => {
      unknown.push(arg);
      return false;
    },
  });
  if (unknown.length > 0) return usageError(`Unknown argument: ${unknown[0]}`);
  const target = options.target ?? Deno.build.target;
  if (!TARGETS.includes(target)) {
    return usageError(`Cannot build for target ${JSON.stringify(target)}`);
  }
  const folder = options.target === undefined ? join(ROOT, "dist") : join(ROOT, "dist", target);
  try {
    await ensureVendor();
    return await build(target, folder);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    return 1;
  }
}

function usageError(problem: string): number {
  console.error(`${problem}; usage: deno task build [--target ${TARGETS.join("|")}]`);
  return 2;
}

async function build(target: string, folder: string): Promise<number> {
  const executable = join(folder, "reptyr");
  const stampFile = join(folder, STAMP_FILE);
  const denort = await ensureDenort(target);
  const stamp = stampOf([Deno.version.deno, target, denort ?? ""]);
  const shown = relative(ROOT, executable);
  if (isFile(executable) && isFile(stampFile) && Deno.readTextFileSync(stampFile) === stamp) {
    console.error(`${shown} is up to date`);
    return 0;
  }
  Deno.mkdirSync(folder, { recursive: true });
  using sources = stagedSources();
  const { code } = await new Deno.Command(Deno.execPath(), {
    // All permissions: Deno's own file calls refuse /proc/PID and /dev/ptmx without them. No check:
    // `deno task check` is that. No code cache: it would leave a file in /tmp at every start. Not lazy: what runs
    // while the target is stopped is compiled before, which halves the longest time it stands still, and the
    // start takes no longer.
    args: [
      "compile",
      "--quiet",
      "--allow-all",
      "--no-check",
      "--no-code-cache",
      "--v8-flags=--no-lazy",
      "--target",
      target,
      "--output",
      executable,
      "src/main.ts",
    ],
    cwd: sources.folder,
    ...(denort === undefined ? {} : { env: { DENORT_BIN: denort } }),
    stdin: "null",
  }).output();
  if (code !== 0) {
    console.error(`Cannot build ${shown}: deno compile ended with status ${code}`);
    return 1;
  }
  changeEntry(executable);
  link(join(folder, "procout"), "reptyr");
  Deno.writeTextFileSync(stampFile, stamp);
  console.error(`Built ${shown}`);
  return 0;
}

/** Throws SetupError where another Deno makes executables of another kind. */
function changeEntry(executable: string): void {
  const fresh = `${executable}.tmp-${Deno.pid}`;
  try {
    const changed = withEntry(Deno.readFileSync(executable));
    Deno.writeFileSync(fresh, changed, { mode: 0o755 });
  } catch (error) {
    throw new SetupError(`Cannot give ${executable} its entry: ${(error as Error).message}`);
  }
  Deno.renameSync(fresh, executable);
}

/**
 * A copy of the sources with all times at 0. `deno compile` writes the times of the files into the executable;
 * so it depends on what is in them and on nothing else. In the tree, where Deno finds nothing above it to obey.
 */
function stagedSources(): Disposable & { readonly folder: string } {
  const folder = join(ROOT, ".cache", `sources.tmp-${Deno.pid}`);
  for (const file of sourceFiles(ROOT)) {
    const copy = join(folder, file);
    Deno.mkdirSync(dirname(copy), { recursive: true });
    Deno.copyFileSync(join(ROOT, file), copy);
    Deno.utimeSync(copy, 0, 0);
  }
  Deno.symlinkSync(join(ROOT, "vendor"), join(folder, "vendor"));
  return { folder, [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
}

/** Changes with any source, with what compiles them and with `inputs`. The second line is that of the sources alone. */
function stampOf(inputs: string[]): string {
  const made = ["scripts/build.ts", "scripts/build/entry.ts", "scripts/setup_pins.json"]
    .map((file) => sha256(Deno.readFileSync(join(ROOT, file))));
  const sources = sourcesHash(ROOT);
  return `${sha256(JSON.stringify([inputs, made, sources]))}\n${sources}\n`;
}

/** Makes `path` a symbolic link to `to`, replacing what was there at once. */
function link(path: string, to: string): void {
  const fresh = `${path}.tmp-${Deno.pid}`;
  Deno.symlinkSync(to, fresh);
  Deno.renameSync(fresh, path);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
