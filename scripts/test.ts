/**
 * Runs every check and test in turn and ends with one line, `N passed, N failed`, for people and for CI.
 * A step without tests of its own (format, lint, build, ...) counts as one; a step of tests counts each
 * innermost test. Later steps run even when an earlier one failed.
 */
import { dirname, join } from "@std/path";

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const ROOT = dirname(import.meta.dirname!);

/** Tasks of deno.json, in the order they run: what is quick to fail comes first. */
const STEPS: { task: string; hasTests: boolean }[] = [
  { task: "check:fmt", hasTests: false },
  { task: "check:lint", hasTests: false },
  { task: "check:types", hasTests: false },
  { task: "check:layers", hasTests: false },
  { task: "verify-abi", hasTests: false },
  { task: "build", hasTests: false },
  { task: "test:unit", hasTests: true },
  { task: "test:kernel", hasTests: true },
  { task: "test:e2e", hasTests: true },
  { task: "test:aarch64", hasTests: true },
];

/**
 * Counts the innermost tests of a JUnit report by `deno test`. A step is listed as `test > step`, in the suite
 * of the module that called t.step, which is bdd's and not the test's own: hence names are compared across
 * suites. A group counts only when it failed by itself, as with a leak that the sanitizers find at its end.
 */
export function countJunit(xml: string): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const cases = [...xml.matchAll(/<testcase name="([^"]*)"[^>]*>(.*?)<\/testcase>/gs)]
    .map(([, name = "", body = ""]) => ({ name, body }));
  const groups = new Set(
    cases.flatMap(({ name }) => {
      const parts = name.split(" &gt; ");
      return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join(" &gt; "));
    }),
  );
  for (const { name, body } of cases) {
    const failure = /<(?:failure|error) message="([^"]*)"/.exec(body)?.[1];
    if (failure !== undefined) {
      if (!/^\d+ test steps? failed$/.test(failure)) counts.failed += 1;
    } else if (!groups.has(name)) {
      if (body.includes("<skipped")) counts.skipped += 1;
      else counts.passed += 1;
    }
  }
  return counts;
}

/** A step that failed as a whole (a module that does not load) or that ran no test counts as one failure. */
export function countStep(success: boolean, xml: string): Counts {
  const counts = countJunit(xml);
  const ranNothing = counts.passed + counts.failed + counts.skipped === 0;
  return (!success && counts.failed === 0) || ranNothing
    ? { ...counts, failed: counts.failed + 1 }
    : counts;
}

async function runStep(step: (typeof STEPS)[number], folder: string): Promise<Counts> {
  console.log(`\n== ${step.task}`);
  const report = join(folder, `${step.task.replace(":", "_")}.xml`);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", step.task, ...(step.hasTests ? [`--junit-path=${report}`] : [])],
    cwd: ROOT,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  if (!step.hasTests) return { passed: success ? 1 : 0, failed: success ? 0 : 1, skipped: 0 };
  let xml = "";
  try {
    xml = Deno.readTextFileSync(report);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return countStep(success, xml);
}

if (import.meta.main) {
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-test-" });
  const results: { task: string; counts: Counts }[] = [];
  try {
    for (const step of STEPS) {
      results.push({ task: step.task, counts: await runStep(step, folder) });
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
  console.log("\n== totals");
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { task, counts } of results) {
    console.log(
      `${task.padEnd(14)}${counts.passed} ok, ${counts.failed} not ok, ${counts.skipped} skipped`,
    );
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  Deno.exit(total.failed === 0 ? 0 : 1);
}
