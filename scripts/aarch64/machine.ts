/** Running tests in an emulated machine, by scripts/qemu_arm64.sh. */
import { dirname, join } from "@std/path";
import { withoutHere } from "../../tests/support/capabilities.ts";

const BOOT = join(dirname(import.meta.dirname!), "qemu_arm64.sh");

/** For all that the machine does. */
const LIMIT_SECONDS = 900;
const MEMORY_MIB = 2500;
/** How much longer than usual tests wait there. */
const PATIENCE = 6;
/** Stands between what is to be shown and the JUnit report. */
const REPORT_MARK = "@@ report";
/** Last lines of the emulator that are shown when a machine tells no results. */
const MESSAGES = 20;
/** Where the tree is in the machine. */
export const TREE = "/t/p";
export const VICTIMS = "/t/victims";

export interface Outcome {
  readonly success: boolean;
  /** JUnit reports, one after another. */
  readonly xml: string;
}

export interface Job {
  /** For qemu's -cpu. */
  readonly cpu: string;
  /** The module with the tests, in the machine. */
  readonly module: string;
  /** For `deno test`. */
  readonly options: readonly string[];
  /** What is to be in the machine: arguments of scripts/qemu_arm64.sh. */
  readonly content: readonly string[];
  /** Where scripts/qemu_arm64.sh keeps kernel and packages. */
  readonly cache: string;
}

export interface Boot {
  /** Lines of what the machine says; those that nobody has waited for are kept. */
  readonly shown: ReadableStream<string>;
  readonly outcome: Promise<Outcome>;
}

/** Fetch kernel and `packages` into the cache; whether they are there. */
export async function prepare(packages: readonly string[], cache: string): Promise<boolean> {
  const args = ["-n", ...packages];
  const { success } = await new Deno.Command(BOOT, { args, env: environment(cache), stdin: "null" })
    .spawn().status;
  return success;
}

/** Boot a machine and run its tests. One that ends without a report has failed as a test that bears its name. */
export function boot(job: Job): Boot {
  const { cpu, module, options, content, cache } = job;
  const test = ["deno", "test", "--no-check", "-A", "--junit-path=/tmp/report", ...options, module];
  const script = `cd ${TREE}; ${test.map(quote).join(" ")}; status=$?; echo; ` +
    `echo '${REPORT_MARK}'; cat /tmp/report; exit $status`;
  const variables = {
    ...{ DENO_DIR: "/tmp/deno", REPTYR_VICTIMS: VICTIMS, REPTYR_PATIENCE: `${PATIENCE}` },
    ...{ NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    ...withoutHere(),
  };
  const child = new Deno.Command(BOOT, {
    args: [
      ...["-v", "-c", cpu, "-t", `${LIMIT_SECONDS}`, "-m", `${MEMORY_MIB}`],
      ...Object.entries(variables).flatMap(([name, value]) => ["-e", `${name}=${value}`]),
      ...[...content, "--", "bash", "-c", script],
    ],
    env: environment(cache),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let shows!: ReadableStreamDefaultController<string>;
  const shown = new ReadableStream<string>({ start: (controller) => void (shows = controller) });
  const show = (line: string) => shows.enqueue(line);
  const outcome = (async () => {
    show(`\n-- an emulated ${cpu}`);
    const said = new Response(child.stderr).text();
    const report = await untilReport(child.stdout, show);
    const { success, code } = await child.status;
    const isWhole = report.trimEnd().endsWith("</testsuites>");
    // How the machine started is of interest only when it did not get far.
    const messages = (await said).trim().split("\n");
    messages.slice(isWhole ? -1 : -MESSAGES).forEach(show);
    if (!isWhole) show(`Failed: the emulated ${cpu} told no results: ${meaningOf(code)}`);
    shows.close();
    return isWhole ? { success, xml: report } : failure(`an emulated ${cpu}`, meaningOf(code));
  })();
  return { shown, outcome };
}

/** What did not get as far as a report, as a failed test. `name` and `why` are without any markup. */
export function failure(name: string, why: string): Outcome {
  return {
    success: false,
    xml: `<testcase name="${name}"><failure message="${why}">${why}</failure></testcase>`,
  };
}

/** Exit statuses of scripts/qemu_arm64.sh. */
function meaningOf(code: number): string {
  switch (code) {
    case 1:
      return "it could not be set up, or its tests broke off";
    case 2:
      return "its content does not fit into it";
    case 124:
      return `it was not done within ${LIMIT_SECONDS} s`;
    case 125:
      return "it did not start, or ended by itself";
    default:
      return `exit status ${code}`;
  }
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
  if (report === undefined && pending !== "") show(pending);
  return report ?? "";
}

function environment(cache: string): Record<string, string> {
  return { QEMU_ARM64_CACHE: cache };
}

/** A word for the shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
