/**
 * Compares what procout's engine bpf costs a writer with `strace -f -e trace=write -p`, in turns, so that whatever else
 * the machine does hits both. A report, not a test: status 1 is only for a run that could not be made.
 *
 *     deno run -A scripts/bench/mirror.ts [--rounds=5] [--engine=bpf]
 */
import { parseArgs } from "@std/cli/parse-args";
import { dirname, join } from "@std/path";

const ROOT = dirname(dirname(import.meta.dirname!));
const PROCOUT = join(ROOT, "dist", "procout");

interface Case {
  readonly name: string;
  readonly bytes: number;
  readonly count: Readonly<Record<Tool, number>>;
  /** Of strace's time per write. */
  readonly atMost: number;
}

type Tool = "procout" | "strace" | "nobody";

const CASES: readonly Case[] = [
  {
    name: "64-byte writes",
    bytes: 64,
    count: { procout: 200_000, strace: 20_000, nobody: 200_000 },
    atMost: 0.05,
  },
  {
    name: "64-KiB writes, delivered through a pipe",
    bytes: 65536,
    count: { procout: 5000, strace: 3000, nobody: 5000 },
    atMost: 3,
  },
];

/** Read `stream` until `pattern` matches what came. */
class Lines {
  #text = "";
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const decoder = new TextDecoder();
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match !== null) return match;
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`A program ended without saying ${pattern}: ${this.#text}`);
      this.#text += decoder.decode(value, { stream: true });
    }
  }

  async end(): Promise<void> {
    while (!(await this.#reader.read()).done);
  }
}

/** Microseconds per write, while `tool` watches; for procout also that every byte came. */
async function measure(victim: string, tool: Tool, one: Case, engine: string): Promise<number> {
  const count = one.count[tool];
  const target = new Deno.Command("sh", {
    args: ["-c", `exec "$0" ${count} ${one.bytes} >/dev/null`, victim],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = new Lines(target.stderr);
  await said.until(/ready \d+\n/);
  const watcher = watch(tool, target.pid, engine);
  await watcher?.ready;
  const writer = target.stdin.getWriter();
  await writer.write(new TextEncoder().encode("go\n"));
  const [, nanoseconds] = await said.until(/nanoseconds (\d+)\n/);
  await target.status;
  const expected = count * one.bytes;
  const delivered = await watcher?.delivered;
  if (tool === "procout" && delivered !== expected) {
    throw new Error(`procout delivered ${delivered} of ${expected} bytes`);
  }
  return Number(nanoseconds) / count / 1000;
}

/** Counts what `tool` shows of the target's standard output; its reader is wc(1). */
function watch(tool: Tool, pid: number, engine: string) {
  if (tool === "nobody") return undefined;
  // The reader is a process of its own, so that this one's speed does not count.
  const command = tool === "strace"
    ? `exec strace -f -e trace=write -o /dev/null -p ${pid}`
    : `"$0" -V --fd=1 --engine=${engine} ${pid} | wc -c`;
  const child = new Deno.Command("sh", {
    args: ["-c", command, PROCOUT],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Lines(child.stderr);
  const ready = errors.until(tool === "strace" ? /attached/ : /\[\+\] Watching/);
  const delivered = (async () => {
    await ready;
    const [text] = await Promise.all([new Response(child.stdout).text(), errors.end()]);
    await child.status;
    return Number(text);
  })();
  return { ready, delivered };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Seconds of processor time of `pid` and its threads. */
function processorSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Processor time in percent of a watch of somebody who writes nothing. */
async function idle(seconds: number, engine: string): Promise<number> {
  const target = new Deno.Command("sleep", { args: ["1000"], stdout: "null" }).spawn();
  const child = new Deno.Command(PROCOUT, {
    args: ["-V", `--engine=${engine}`, `${target.pid}`],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = new Lines(child.stderr);
  await said.until(/\[\+\] Watching/);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = processorSeconds(child.pid);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const used = processorSeconds(child.pid) - before;
  target.kill("SIGKILL");
  await target.status;
  await said.end();
  await child.status;
  return 100 * used / seconds;
}

async function main(): Promise<number> {
  const { rounds: text, engine } = parseArgs(Deno.args, {
    string: ["rounds", "engine"],
    default: { rounds: "5", engine: "bpf" },
  });
  const rounds = Number(text);
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-bench-" });
  try {
    const victim = join(folder, "mirror_victim");
    const source = join(import.meta.dirname!, "mirror_victim.c");
    const { success } = await new Deno.Command("cc", { args: ["-O2", "-o", victim, source] })
      .output();
    if (!success) throw new Error(`Cannot compile ${source}`);
    for (const one of CASES) {
      const samples: Record<Tool, number[]> = { nobody: [], procout: [], strace: [] };
      for (let round = 0; round < rounds; round++) {
        for (const tool of ["nobody", "procout", "strace"] as const) {
          samples[tool].push(await measure(victim, tool, one, engine));
        }
      }
      const ratio = median(samples.procout.map((value, index) => value / samples.strace[index]!));
      console.log(
        `${one.name}: nobody ${median(samples.nobody).toFixed(2)} us, procout (${engine}) ` +
          `${median(samples.procout).toFixed(2)} us, strace ${
            median(samples.strace).toFixed(2)
          } us; ` +
          `ratio ${ratio.toFixed(3)}, wanted at most ${one.atMost}`,
      );
    }
    console.log(`idle: ${(await idle(3, engine)).toFixed(2)} % of a processor, wanted 0`);
    return 0;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main());
