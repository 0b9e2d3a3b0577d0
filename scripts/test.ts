/**
 * Runs every check and test in turn and ends with one line, `N passed, N failed`, for people and for CI.
 * A step without tests of its own (format, lint, build, ...) counts as one; a step of tests counts each
 * innermost test. Later steps run even when an earlier one failed.
 */
import { dirname, join } from "@std/path";
import { describeLacks, lacks, NEEDED } from "../tests/support/capabilities.ts";
import { type Counts, countStep, type Failure, failuresOf } from "./test/junit.ts";

const ROOT = dirname(import.meta.dirname!);

/** Tasks of deno.json, in the order they run: what is quick to fail comes first. */
const STEPS: { task: string; hasTests: boolean }[] = [
  { task: "check:fmt", hasTests: false },
  { task: "check:lint", hasTests: false },
  { task: "check:types", hasTests: false },
  { task: "check:layers", hasTests: false },
  { task: "check:words", hasTests: false },
  { task: "verify-abi", hasTests: false },
  { task: "build", hasTests: false },
  { task: "test:unit", hasTests: true },
  { task: "test:kernel", hasTests: true },
  { task: "test:e2e", hasTests: true },
  { task: "test:aarch64", hasTests: true },
];

interface Ran {
  counts: Counts;
  failures: Failure[];
}

/** Passes on what a program prints, and returns it. */
async function shown(output: ReadableStream<Uint8Array>, sink: typeof Deno.stdout) {
  const decoder = new TextDecoder();
  let text = "";
  const writer = sink.writable.getWriter();
  for await (const bytes of output) {
    await writer.write(bytes);
    text += decoder.decode(bytes, { stream: true });
  }
  writer.releaseLock();
  return text;
}

/** Runs a step that has no tests of its own; what it prints is its message when it fails. */
async function runCheck(task: string): Promise<Ran> {
  const child = deno(["task", "--quiet", task], "piped").spawn();
  const [{ success }, ...printed] = await Promise.all([
    child.status,
    shown(child.stdout, Deno.stdout),
    shown(child.stderr, Deno.stderr),
  ]);
  return {
    counts: { passed: success ? 1 : 0, failed: success ? 0 : 1, skipped: 0 },
    failures: success ? [] : [{ name: task, message: printed.join("") }],
  };
}

/** Runs a step of tests, which print as they go. */
async function runTests(task: string, report: string): Promise<Ran> {
  const args = ["task", "--quiet", task, `--junit-path=${report}`];
  const { success } = await deno(args, "inherit").spawn().status;
  let xml = "";
  try {
    xml = Deno.readTextFileSync(report);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const counts = countStep(success, xml);
  const failures = failuresOf(xml);
  if (counts.failed > failures.length) {
    failures.push({ name: task, message: "It failed outside of its tests, or ran none" });
  }
  return { counts, failures };
}

function deno(args: string[], output: "piped" | "inherit"): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: output,
    stderr: output,
  });
}

if (import.meta.main) {
  const unfit = lacks(...NEEDED);
  if (unfit !== undefined) {
    console.log(`No test shows anything on this machine: ${unfit}\n0 passed, 1 failed`);
    Deno.exit(1);
  }
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-test-" });
  const results: (Ran & { task: string })[] = [];
  try {
    for (const { task, hasTests } of STEPS) {
      console.log(`\n== ${task}`);
      const report = join(folder, `${task.replace(":", "_")}.xml`);
      results.push({ task, ...await (hasTests ? runTests(task, report) : runCheck(task)) });
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
  // Once more, at the end: of a long log often only that is kept.
  for (const { task, failures } of results) {
    for (const { name, message } of failures) {
      console.log(`\n== failed, in ${task}: ${name}\n${message.trimEnd()}`);
    }
  }
  console.log("\n== not shown on this machine");
  for (const line of describeLacks()) console.log(line);
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
