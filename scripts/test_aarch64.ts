/**
 * Runs tests with the aarch64 executable on a real arm64 kernel, in a machine that qemu emulates: once for each
 * processor model. scripts/qemu_arm64.sh boots it; what tests need is packed into it, since it has no network and no
 * compiler. Where the machine cannot be had, that is said, and counts as skipped.
 */
import { parseArgs } from "@std/cli/parse-args";
import { dirname, join } from "@std/path";
import runnerPin from "./aarch64/runner_pin.json" with { type: "json" };
import { ensureProgram, SetupError } from "./setup.ts";

const ROOT = dirname(import.meta.dirname!);
const TARGET = "aarch64-unknown-linux-gnu";
const BOOT = join(ROOT, "scripts", "qemu_arm64.sh");

interface Machine {
  /** For qemu's -cpu. */
  readonly cpu: string;
  readonly tests: readonly string[];
}

/**
 * One with all that arm64 has, and one that is common and has neither pointer authentication nor vectors of any
 * length. Emulation is slow: these tests are chosen so that all of it takes some minutes.
 */
const MACHINES: readonly Machine[] = [
  {
    cpu: "max,pauth-impdef=on",
    tests: [
      ...["raw", "remote_syscalls", "group_stop"].map((name) => `tests/kernel/${name}_test.ts`),
      "tests/aarch64",
    ],
  },
  {
    cpu: "cortex-a72",
    tests: ["restart", "moves", "registers", "mirror"].map((name) =>
      `tests/aarch64/${name}_test.ts`
    ),
  },
];

/** Debian's, for the emulated machine. */
const PACKAGES = ["bash", "less", "ncurses-base", "strace", "vim-tiny"];
const COMPILERS = ["aarch64-linux-gnu-gcc", "aarch64-linux-gnu-gcc-12"];
const LIMIT_SECONDS = 900;
const MEMORY_MIB = 3000;
/** How much longer than usual tests wait there. */
const PATIENCE = 6;
/** Stands between what is to be shown and the JUnit report. */
const REPORT_MARK = "@@ report";

async function main(args: string[]): Promise<number> {
  const options = parseArgs(args, { string: ["junit-path", "cpu"] });
  const asked = options._.map(String);
  const machines = MACHINES.filter(({ cpu }) => (options.cpu ?? cpu) === cpu)
    .map(({ cpu, tests }) => ({ cpu, tests: asked.length > 0 ? asked : tests }));
  const junit = await run(machines);
  if (options["junit-path"] !== undefined) Deno.writeTextFileSync(options["junit-path"], junit.xml);
  return junit.success ? 0 : 1;
}

interface Outcome {
  readonly success: boolean;
  /** JUnit reports, one after another. */
  readonly xml: string;
}

async function run(machines: readonly Machine[]): Promise<Outcome> {
  const problem = missing();
  if (problem !== undefined) return skipped(problem);
  const environment = { QEMU_ARM64_CACHE: Deno.env.get("QEMU_ARM64_CACHE") ?? defaultCache() };
  const packages = PACKAGES.flatMap((name) => ["-p", name]);
  if (!await succeeds([BOOT, "-n", ...packages], environment)) {
    return skipped("Debian's kernel and packages for arm64 cannot be fetched");
  }
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-aarch64-" });
  try {
    const runner = await ensureProgram(runnerPin);
    const build = [Deno.execPath(), "task", "--quiet", "build", "--target", TARGET];
    if (!await succeeds(build, {}) || !await compileVictims(folder)) return failed();
    const outcomes: Outcome[] = [];
    for (const machine of machines) {
      console.log(`\n-- an emulated ${machine.cpu}`);
      outcomes.push(await boot(machine, [...packages, ...packed(folder, runner)], environment));
    }
    return {
      success: outcomes.every(({ success }) => success),
      xml: outcomes.map(({ xml }) => xml).join("\n"),
    };
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return skipped(error.message);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** What keeps the machine from being emulated here. CI installs the programs, so that they are missing is an error. */
function missing(): string | undefined {
  const programs = ["qemu-system-aarch64", "perl", "apt-get", "dpkg-deb", "tar", "flock"]
    .filter((program) => which(program) === undefined);
  if (compiler() === undefined) programs.push("gcc-12-aarch64-linux-gnu");
  const isDebian = exists("/usr/share/keyrings/debian-archive-keyring.gpg");
  if (programs.length === 0) {
    return isDebian ? undefined : "not Debian: its archive keyring is not here";
  }
  const why = `not installed: ${programs.join(", ")}`;
  if (isDebian && Deno.env.get("CI") !== undefined) {
    throw new Error(`CI must not skip this: ${why}`);
  }
  return why;
}

function skipped(why: string): Outcome {
  console.log(`Skipped: tests in an emulated aarch64 machine: ${why}`);
  return { success: true, xml: '<testcase name="aarch64"><skipped/></testcase>' };
}

function failed(): Outcome {
  return { success: false, xml: "" };
}

/** All victims that can be compiled for aarch64, in `folder`: the others are for x86. */
async function compileVictims(folder: string): Promise<boolean> {
  const victims = join(ROOT, "tests", "victims");
  const names = [...Deno.readDirSync(victims)].map(({ name }) => name)
    .filter((name) => name.endsWith(".c") && !X86_VICTIMS.has(name));
  for (const name of names) {
    const output = join(folder, name.replace(/\.c$/, ""));
    const source = join(victims, name);
    if (!await succeeds([compiler()!, "-O1", "-pthread", source, "-lutil", "-o", output], {})) {
      return false;
    }
  }
  return true;
}

const X86_VICTIMS = new Set(["registers.c", "registers_i386.c", "entry_i386.c", "rseq.c"]);

/** Arguments that tell what is to be where in the machine. */
function packed(victims: string, runner: string): string[] {
  const tree = ["deno.json", "src", "tests", "vendor"].map((name) =>
    `${join(ROOT, name)}:/t/p/${name}`
  );
  return [
    ...tree,
    `${join(ROOT, "dist", TARGET)}:/t/p/dist`,
    `${victims}:/t/victims`,
    `${runner}:/t/deno`,
  ];
}

/** Run the machine's tests; what they say is shown as it comes. */
async function boot(
  { cpu, tests }: Machine,
  args: readonly string[],
  environment: Record<string, string>,
): Promise<Outcome> {
  const test = `deno test --no-check -A --junit-path=/tmp/report ${tests.join(" ")}`;
  const script =
    `cd /t/p; ${test}; status=$?; echo; echo '${REPORT_MARK}'; cat /tmp/report; exit $status`;
  const variables = {
    ...{ DENO_DIR: "/tmp/deno", REPTYR_VICTIMS: "/t/victims", REPTYR_PATIENCE: `${PATIENCE}` },
    ...{ NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  };
  const child = new Deno.Command(BOOT, {
    args: [
      ...["-v", "-c", cpu, "-t", `${LIMIT_SECONDS}`, "-m", `${MEMORY_MIB}`],
      ...Object.entries(variables).flatMap(([name, value]) => ["-e", `${name}=${value}`]),
      ...[...args, "--", "bash", "-c", script],
    ],
    env: environment,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const last = lastLineOf(child.stderr);
  const xml = await showUntilReport(child.stdout);
  const { success } = await child.status;
  console.log(await last);
  return { success, xml };
}

/** Print what comes before the report; what comes after. */
async function showUntilReport(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let pending = "";
  let report: string | undefined;
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    if (report !== undefined) {
      report += text;
      continue;
    }
    pending += text;
    const lines = pending.split("\n");
    pending = lines.pop()!;
    const end = lines.indexOf(REPORT_MARK);
    lines.slice(0, end < 0 ? lines.length : end).forEach((line) => console.log(line));
    if (end >= 0) report = [...lines.slice(end + 1), pending].join("\n");
  }
  if (report === undefined) console.log(pending);
  return report ?? "";
}

/** What the machine says at its start is of interest only when it does not start: then it is shown by the tool. */
async function lastLineOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const text = await new Response(stream).text();
  return text.trim().split("\n").at(-1) ?? "";
}

async function succeeds(
  [program, ...args]: readonly string[],
  env: Record<string, string>,
): Promise<boolean> {
  const { success } = await new Deno.Command(program!, { args, cwd: ROOT, env, stdin: "null" })
    .spawn().status;
  return success;
}

function defaultCache(): string {
  return join(ROOT, ".cache", "qemu-arm64");
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
