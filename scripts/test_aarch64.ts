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
 * length. They run at the same time. Emulation is slow: these tests are chosen so that all of it takes some minutes.
 */
const MACHINES: readonly Machine[] = [
  {
    cpu: "max,pauth-impdef=on",
    tests: [
      ...["raw", "remote_syscalls", "group_stop", "signals", "seize"].map((name) =>
        `tests/kernel/${name}_test.ts`
      ),
      ...["restart", "registers", "killed"].map((name) => `tests/aarch64/${name}_test.ts`),
    ],
  },
  {
    cpu: "cortex-a72",
    tests: ["moves", "mirror", "registers", "arm", "restart"].map((name) =>
      `tests/aarch64/${name}_test.ts`
    ),
  },
];

/** Debian's, for the emulated machine. */
const PACKAGES = ["bash", "less", "ncurses-base", "strace", "vim-tiny"];
const COMPILERS = ["aarch64-linux-gnu-gcc", "aarch64-linux-gnu-gcc-12"];
const LIMIT_SECONDS = 900;
const MEMORY_MIB = 2500;
/** Last lines of the emulator that are shown when a machine fails. */
const MESSAGES = 20;
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
    const args = [...packages, ...packed(folder, runner)];
    const booted = machines.map((machine) => boot(machine, args, environment));
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

interface Boot {
  /** Lines of what the machine says; those that nobody has waited for are kept. */
  readonly shown: ReadableStream<string>;
  readonly outcome: Promise<Outcome>;
}

/** Run the machine's tests. */
function boot(
  { cpu, tests }: Machine,
  args: readonly string[],
  environment: Record<string, string>,
): Boot {
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
  let shows!: ReadableStreamDefaultController<string>;
  const shown = new ReadableStream<string>({ start: (controller) => void (shows = controller) });
  const outcome = (async () => {
    shows.enqueue(`\n-- an emulated ${cpu}`);
    const said = new Response(child.stderr).text();
    const xml = await untilReport(child.stdout, (line) => shows.enqueue(line));
    const { success } = await child.status;
    // How the machine started is of interest only when it did not.
    const messages = (await said).trim().split("\n");
    (success ? messages.slice(-1) : messages.slice(-MESSAGES)).forEach((line) =>
      shows.enqueue(line)
    );
    shows.close();
    return { success, xml };
  })();
  return { shown, outcome };
}

/** Show the lines that come before the report; what comes after. */
async function untilReport(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  show: (line: string) => void,
): Promise<string> {
  let pending = "";
  let report: string | undefined;
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    if (report !== undefined) {
      report += text;
      continue;
    }
    const lines = (pending + text).split("\n");
    pending = lines.pop()!;
    const end = lines.indexOf(REPORT_MARK);
    lines.slice(0, end < 0 ? lines.length : end).forEach(show);
    if (end >= 0) report = [...lines.slice(end + 1), pending].join("\n");
  }
  if (report === undefined) show(pending);
  return report ?? "";
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
