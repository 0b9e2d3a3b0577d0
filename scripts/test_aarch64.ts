/**
 * Runs tests with the aarch64 executable on a real arm64 kernel, in machines that qemu emulates: one for each
 * processor model. What the tests need is packed into them, since they have no network and no compiler. Where they
 * cannot be had, that is said, and counts as skipped. On an aarch64 machine it is that machine which runs them.
 *
 * Usage: test_aarch64.ts [--cpu MODEL] [--filter TEXT] [--junit-path FILE] [TEST_FILE]...
 */
import { parseArgs } from "@std/cli/parse-args";
import { dirname, join } from "@std/path";
import { boot, failure, type Outcome, prepare, TREE, VICTIMS } from "./aarch64/machine.ts";
import runnerPin from "./aarch64/runner_pin.json" with { type: "json" };
import { ensureProgram, SetupError } from "./setup.ts";

const ROOT = dirname(import.meta.dirname!);
const TARGET = "aarch64-unknown-linux-gnu";

interface Machine {
  /** For qemu's -cpu. */
  readonly cpu: string;
  /** Paths of test files, in the order they run. */
  readonly tests: readonly string[];
}

/**
 * One with all that arm64 has, and one that is common and has neither pointer authentication nor vectors of any
 * length. They run at the same time. Emulation is slow: these tests are chosen so that all of it takes some minutes.
 * A test file that is to run on aarch64, too, is added here, where there is less.
 */
const MACHINES: readonly Machine[] = [
  {
    cpu: "max,pauth-impdef=on",
    tests: [
      ...kernel("raw", "remote_syscalls", "group_stop", "signals", "seize", "suspend", "bpf"),
      ...aarch64("restart", "registers", "killed"),
    ],
  },
  {
    cpu: "cortex-a72",
    tests: aarch64("moves", "limits", "directory", "mirror", "registers", "arm", "restart"),
  },
];

function kernel(...names: readonly string[]): readonly string[] {
  return names.map((name) => `tests/kernel/${name}_test.ts`);
}

function aarch64(...names: readonly string[]): readonly string[] {
  return names.map((name) => `tests/aarch64/${name}_test.ts`);
}

/** Debian's, for the emulated machine. */
const PACKAGES = ["bash", "less", "ncurses-base", "vim-tiny"];
const COMPILERS = ["aarch64-linux-gnu-gcc", "aarch64-linux-gnu-gcc-12"];
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const IN_CI = Deno.env.get("CI") !== undefined;

interface Options {
  readonly machines: readonly Machine[];
  /** For `deno test`. */
  readonly test: readonly string[];
}

async function main(args: string[]): Promise<number> {
  const { cpu, filter, "junit-path": junitPath, _: named } = parseArgs(args, {
    string: ["cpu", "filter", "junit-path", "_"],
    unknown: (arg, key) => {
      if (key !== undefined) throw new Error(`No such option: ${arg}`);
    },
  });
  const asked = named.map(String).flatMap(testsOf);
  const machines = MACHINES.filter((machine) => (cpu ?? machine.cpu) === machine.cpu)
    .map(({ cpu, tests }) => ({ cpu, tests: asked.length > 0 ? asked : tests }));
  if (machines.length === 0) throw new Error(`No machine of tests is a ${cpu}`);
  const test = filter === undefined ? [] : [`--filter=${filter}`];
  const outcome = Deno.build.arch === "aarch64"
    ? await runHere(asked.length > 0 ? asked : testsOf("tests/aarch64"), test)
    : await emulate({ machines, test });
  if (junitPath !== undefined) Deno.writeTextFileSync(junitPath, outcome.xml);
  return outcome.success ? 0 : 1;
}

/** `path`, or the test files in it, below the tree. */
function testsOf(path: string): string[] {
  if (!Deno.statSync(join(ROOT, path)).isDirectory) return [path];
  return [...Deno.readDirSync(join(ROOT, path))].map(({ name }) => name)
    .filter((name) => name.endsWith("_test.ts")).sort().map((name) => join(path, name));
}

async function runHere(tests: readonly string[], options: readonly string[]): Promise<Outcome> {
  const report = Deno.makeTempFileSync({ prefix: "reptyr-aarch64-" });
  try {
    const built = [Deno.execPath(), "task", "--quiet", "build"];
    if (!await succeeds(built)) return failure("the aarch64 executable", "it cannot be built");
    const run = [Deno.execPath(), "test", "-A", `--junit-path=${report}`, ...options, ...tests];
    const success = await succeeds(run);
    return { success, xml: Deno.readTextFileSync(report) };
  } finally {
    Deno.removeSync(report);
  }
}

async function emulate({ machines, test }: Options): Promise<Outcome> {
  if (!exists(KEYRING)) return skipped("not Debian: its archive keyring is not here");
  const programs = missing();
  if (programs.length > 0) return unavailable(`not installed: ${programs.join(", ")}`);
  const cache = Deno.env.get("QEMU_ARM64_CACHE") ?? join(ROOT, ".cache", "qemu-arm64");
  const packages = PACKAGES.flatMap((name) => ["-p", name]);
  if (!await prepare(packages, cache)) {
    return unavailable("Debian's kernel and packages for arm64 cannot be fetched");
  }
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-aarch64-" });
  try {
    const runner = await ensureProgram(runnerPin);
    const build = [Deno.execPath(), "task", "--quiet", "build", "--target", TARGET];
    if (!await succeeds(build)) return failure("the aarch64 executable", "it cannot be built");
    const victims = join(folder, "victims");
    const bad = await compileVictims(victims);
    if (bad !== undefined) return failure(`tests/victims/${bad}`, "it cannot be compiled");
    const content = [...packages, ...packed(victims, runner)];
    const booted = machines.map(({ cpu, tests }, index) => {
      const module = join(folder, `all_${index}_test.ts`);
      Deno.writeTextFileSync(module, moduleOf(tests));
      const at = `${TREE}/all_test.ts`;
      return boot({
        cpu,
        module: at,
        options: test,
        content: [...content, `${module}:${at}`],
        cache,
      });
    });
    const outcomes: Outcome[] = [];
    for (const { shown, outcome } of booted) {
      for await (const line of shown) console.log(line);
      outcomes.push(await outcome);
    }
    return {
      success: outcomes.every(({ success }) => success),
      xml: outcomes.map(({ xml }) => xml).join("\n"),
    };
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return unavailable(error.message);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** One module with all tests, in the tree: each module that is run loads anew what it imports, for seconds there. */
function moduleOf(tests: readonly string[]): string {
  return tests.map((path) => `import "./${path}";\n`).join("");
}

/** What it takes to emulate machines, and is not here. */
function missing(): string[] {
  const programs = ["qemu-system-aarch64", "perl", "apt-get", "dpkg-deb", "tar", "flock"]
    .filter((program) => which(program) === undefined);
  if (compiler() === undefined) programs.push("gcc-12-aarch64-linux-gnu");
  return programs;
}

/** On Debian everything can be had: CI installs it, and must not skip this. */
function unavailable(why: string): Outcome {
  if (!IN_CI) return skipped(why);
  console.log(`Failed: CI must not skip tests in emulated aarch64 machines: ${why}`);
  return failure("emulated machines", "CI must not skip them");
}

function skipped(why: string): Outcome {
  console.log(`Skipped: tests in emulated aarch64 machines: ${why}`);
  return { success: true, xml: '<testcase name="emulated machines"><skipped/></testcase>' };
}

const X86_VICTIMS = new Set(["registers.c", "registers_i386.c", "entry_i386.c", "rseq.c"]);

/** All victims that can be compiled for aarch64, in `folder`: the others are for x86. One that could not be. */
async function compileVictims(folder: string): Promise<string | undefined> {
  Deno.mkdirSync(folder);
  const victims = join(ROOT, "tests", "victims");
  const names = [...Deno.readDirSync(victims)].map(({ name }) => name)
    .filter((name) => name.endsWith(".c") && !X86_VICTIMS.has(name));
  for (const name of names) {
    const output = join(folder, name.replace(/\.c$/, ""));
    const source = join(victims, name);
    const command = [compiler()!, "-O1", "-pthread", source, "-lutil", "-o", output];
    if (!await succeeds(command)) return name;
  }
  return undefined;
}

/** Arguments that tell what is to be where in a machine. */
function packed(victims: string, runner: string): string[] {
  const tree = ["deno.json", "src", "scripts/build", "tests", "vendor"];
  return [
    ...tree.map((name) => `${join(ROOT, name)}:${TREE}/${name}`),
    `${join(ROOT, "dist", TARGET)}:${TREE}/dist`,
    `${victims}:${VICTIMS}`,
    `${runner}:/t/deno`,
  ];
}

async function succeeds([program, ...args]: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command(program!, { args, cwd: ROOT, stdin: "null" })
    .spawn().status;
  return success;
}

function compiler(): string | undefined {
  return COMPILERS.map(which).find((path) => path !== undefined);
}

function which(program: string): string | undefined {
  return (Deno.env.get("PATH") ?? "").split(":").map((folder) => join(folder, program)).find(
    exists,
  );
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
