/**
 * What a long watch takes: memory and descriptors of procout after a tenth of many writes of a target, and after all of
 * them. By ptrace ten million take a quarter of an hour.
 *
 *     deno run -A scripts/bench/procout_memory.ts [--writes=10000000] [--engine=bpf|ptrace]
 */
import { parseArgs } from "@std/cli/parse-args";
import { join } from "@std/path";
import { O_CREAT, O_RDONLY, O_WRONLY } from "../../src/ffi/constants.ts";
import { usleep } from "../../src/ffi/process.ts";
import { spawn } from "../../src/ffi/spawn.ts";
import { Child } from "../../tests/support/child.ts";
import { compile } from "./procout.ts";
import { Terminal, waitUntil } from "../../tests/support/terminal.ts";

const LENGTH = 64;
const SAMPLE_US = 500_000;
const AN_HOUR_MS = 3_600_000;

const PROCOUT = join(import.meta.dirname!, "..", "..", "dist", "procout");

interface Watch {
  readonly engine: string;
  readonly victim: string;
  readonly folder: string;
  readonly writes: number;
}

interface Sample {
  readonly kib: number;
  readonly descriptors: number;
}

function main(args: string[]): number {
  const { writes, engine } = parseArgs(args, { string: ["writes", "engine"] });
  const engines = engine === undefined ? ["bpf", "ptrace"] : [engine];
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-bench-" });
  try {
    const victim = compile(folder);
    if (victim === undefined) {
      console.log("SKIPPED: there is no C compiler for the target: apt-get install gcc libc6-dev");
      return 0;
    }
    const count = Number(writes ?? 10_000_000);
    for (const engine of engines) {
      console.log(report(watchAll({ engine, victim, folder, writes: count }), engine, count));
    }
    return 0;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function report(samples: readonly Sample[], engine: string, writes: number): string {
  const [early, late] = [samples[Math.floor(samples.length / 10)]!, samples.at(-1)!];
  const shown = ({ kib, descriptors }: Sample) => `${kib} KiB, ${descriptors} descriptors`;
  return `${writes} writes: procout --engine=${engine} ${shown(early)} after a tenth, ${
    shown(late)
  } after all`;
}

function watchAll({ engine, victim, folder, writes }: Watch): Sample[] {
  using target = Terminal.start([victim, `${writes}`, `${LENGTH}`]);
  target.expect("ready");
  const said = join(folder, `said-${engine}`);
  using watcher = new Child(
    spawn([PROCOUT, "-V", `--engine=${engine}`, `${target.pid}`], {
      env: Deno.env.toObject(),
      files: [
        { fd: 0, path: "/dev/null", flags: O_RDONLY },
        { fd: 1, path: "/dev/null", flags: O_WRONLY },
        { fd: 2, path: said, flags: O_WRONLY | O_CREAT },
      ],
    }),
  );
  waitUntil("the watch", () => Deno.readTextFileSync(said).includes("Watching"));
  target.line("go", { timeoutMs: AN_HOUR_MS });
  const samples: Sample[] = [];
  while (watcher.status === undefined) {
    const sample = sampleOf(watcher.pid);
    if (sample !== undefined) samples.push(sample);
    usleep(SAMPLE_US);
  }
  return samples;
}

/** RssAnon of proc_pid_status(5): what is its own, without the pages of the executable. */
function sampleOf(pid: number): Sample | undefined {
  try {
    const kib = /^RssAnon:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
    if (kib === undefined) return undefined; // a zombie
    return { kib: Number(kib), descriptors: [...Deno.readDirSync(`/proc/${pid}/fd`)].length };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

if (import.meta.main) Deno.exit(main(Deno.args));
