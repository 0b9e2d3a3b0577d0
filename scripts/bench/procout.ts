/**
 * The speed of procout beside that of `strace -f -e trace=write -p`, in turns in one run: what one write costs a target
 * that is watched. strace shows 32 bytes of each; procout delivers all of them.
 */
import { green, red, yellow } from "@std/fmt/colors";
import { join } from "@std/path";
import { O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from "../../src/ffi/constants.ts";
import { usleep } from "../../src/ffi/process.ts";
import { spawn } from "../../src/ffi/spawn.ts";
import { readStatus } from "../../src/proc/status.ts";
import { Child } from "../../tests/support/child.ts";
import { Terminal, waitUntil } from "../../tests/support/terminal.ts";

const CASES = [
  { name: "64-byte write", writes: 20_000, length: 64, atMost: 1.2 },
  { name: "64-KiB write", writes: 4_000, length: 65_536, atMost: 3 },
] as const;

/** After a tool has attached, before its target runs: it may have more to do. */
const SETTLE_US = 200_000;

export interface ProcoutBench {
  readonly procout: string;
  readonly folder: string;
  readonly rounds: number;
}

/** Lines of a table. Needs a C compiler and strace; says so where one is missing. */
export function benchProcout({ procout, folder, rounds }: ProcoutBench): string[] {
  const victim = compile(folder);
  if (victim === undefined || !isThere("strace")) {
    const missing = victim === undefined ? "gcc libc6-dev" : "strace";
    return [yellow(`SKIPPED: procout beside strace: apt-get install ${missing}`)];
  }
  const lines: string[] = [];
  for (const { name, writes, length, atMost } of CASES) {
    const mirror = join(folder, "mirror");
    const tools = {
      strace: (
        pid: number,
      ) => ["strace", "-f", "-e", "trace=write", "-o", "/dev/null", "-p", `${pid}`],
      ours: (pid: number) => [procout, `${pid}`],
    };
    const samples: Record<keyof typeof tools, number[]> = { strace: [], ours: [] };
    for (let round = 0; round < rounds; round++) {
      // Neither is always the first.
      const order = (["strace", "ours"] as const).toSorted(() => round % 2 === 0 ? 1 : -1);
      for (const tool of order) {
        samples[tool].push(timeOf([victim, `${writes}`, `${length}`], tools[tool], mirror));
        if (tool === "ours") assertComplete(mirror, writes * length);
      }
    }
    const [ours, theirs] = [median(samples.ours), median(samples.strace)];
    const ratio = ours / theirs;
    const met = ratio <= atMost ? green("ok") : red("missed");
    lines.push(
      `${name}: procout ${ours.toFixed(1)} us, strace ${theirs.toFixed(1)} us, ` +
        `ratio ${ratio.toFixed(2)} (<= ${atMost}), ${rounds} samples: ${met}`,
    );
  }
  return lines;
}

/** Microseconds for one write of the victim while the tool watches it. */
function timeOf(
  victim: readonly string[],
  tool: (pid: number) => readonly string[],
  mirror: string,
): number {
  using target = Terminal.start(victim);
  target.expect("ready");
  const pid = spawn(tool(target.pid), {
    env: Deno.env.toObject(),
    files: [
      { fd: 0, path: "/dev/null", flags: O_RDONLY },
      { fd: 1, path: mirror, flags: O_WRONLY | O_CREAT | O_TRUNC },
      { fd: 2, path: "/dev/null", flags: O_WRONLY },
    ],
  });
  using child = new Child(pid);
  waitUntil("the tool to attach", () => readStatus(target.pid)?.tracerPid === pid);
  usleep(SETTLE_US);
  target.line("go", { timeoutMs: 60_000 });
  const took = Number(target.expect(/took ([\d.]+)/, { timeoutMs: 120_000 })[1]);
  waitUntil("the tool to end", () => child.status);
  return took;
}

function assertComplete(mirror: string, bytes: number): void {
  const { size } = Deno.statSync(mirror);
  if (size !== bytes) throw new Error(`procout delivered ${size} of ${bytes} bytes`);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

function compile(folder: string): string | undefined {
  const victim = join(folder, "procout_victim");
  const source = join(import.meta.dirname!, "procout_victim.c");
  if (!isThere("cc")) return undefined;
  const { success, stderr } = new Deno.Command("cc", { args: ["-O2", "-o", victim, source] })
    .outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return victim;
}

function isThere(command: string): boolean {
  try {
    new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
    return true;
  } catch {
    return false;
  }
}
