/**
 * Runs one layer of tests: `unit`, `kernel` or `e2e`, or the files of it that are named.
 *
 *     deno task test:unit tests/unit/plan_test.ts       one file; plan, plan_test and plan_test.ts do, too
 *     deno task test:e2e --filter "a pipeline" alone     one test, by a part of its title
 *
 * Other options go to `deno test`. A filter that is no part of any title is an error: nothing would have run.
 */
import { dirname, join, relative } from "@std/path";
import { groupsFor, patternOf } from "./test/titles.ts";

const ROOT = dirname(import.meta.dirname!);
const USAGE = "usage: deno task test:LAYER [--filter TITLE] [FILE]... [OPTION OF deno test]...";

interface Asked {
  readonly files: readonly string[];
  readonly filter: string | undefined;
  readonly options: readonly string[];
}

/** What the arguments ask for. Throws an Error with one line for the user. */
export function parse(args: readonly string[]): Asked {
  const files: string[] = [];
  const options: string[] = [];
  let filter: string | undefined;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--filter") {
      filter = args[++index];
      if (filter === undefined) throw new Error(`--filter needs a title; ${USAGE}`);
    } else if (arg.startsWith("--filter=")) filter = arg.slice("--filter=".length);
    else if (arg.startsWith("-")) options.push(arg);
    else files.push(arg);
  }
  return { files, filter, options };
}

/** The path of the test file that `name` means in `layer`, below the root. Throws an Error with one line. */
export function fileOf(
  layer: string,
  name: string,
  exists: (path: string) => boolean,
): string {
  const base = name.replace(/(_test)?(\.ts)?$/, "");
  const candidates = [name, `tests/${layer}/${base}_test.ts`];
  const found = candidates.find((path) => path.endsWith("_test.ts") && exists(path));
  if (found !== undefined) return found;
  throw new Error(`No test file ${name}: looked for ${candidates.join(" and ")}`);
}

async function main([layer = "", ...args]: readonly string[]): Promise<number> {
  const folder = join("tests", layer);
  const { files, filter, options } = parse(args);
  const named = files.map((name) => fileOf(layer, name, (path) => exists(join(ROOT, path))));
  if (filter === undefined) return await run([...options, ...named.length > 0 ? named : [folder]]);
  const groups = (named.length > 0 ? named : testsIn(folder)).map((file) => ({
    file,
    titles: groupsFor(filter, Deno.readTextFileSync(join(ROOT, file))),
  })).filter(({ titles }) => titles.length > 0);
  if (groups.length === 0) {
    const where = named.length > 0 ? named.join(", ") : folder;
    throw new Error(`Nothing ran: no title in ${where} contains ${JSON.stringify(filter)}`);
  }
  for (const { file, titles } of groups) {
    console.error(`${file}: ${titles.map((title) => JSON.stringify(title)).join(", ")}`);
  }
  const pattern = patternOf(groups.flatMap(({ titles }) => titles));
  return await run([...options, `--filter=${pattern}`, ...groups.map(({ file }) => file)]);
}

function testsIn(folder: string): string[] {
  return [...Deno.readDirSync(join(ROOT, folder))].map(({ name }) => join(folder, name))
    .filter((path) => path.endsWith("_test.ts")).sort();
}

async function run(args: readonly string[]): Promise<number> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args],
    cwd: ROOT,
  }).spawn().status;
  return code;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

if (import.meta.main) {
  // What a user names is below the folder that the user is in.
  const args = Deno.args.map((arg) =>
    arg.endsWith(".ts") && !arg.startsWith("-") && exists(arg)
      ? relative(ROOT, Deno.realPathSync(arg))
      : arg
  );
  try {
    Deno.exit(await main(args));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}
