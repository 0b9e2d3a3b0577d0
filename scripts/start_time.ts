/**
 * How long executables take to `--version`, and how much memory: the runs take turns, so that what else the machine
 * does is the same for all.
 *
 *     deno run -A scripts/start_time.ts [--runs=30] [EXECUTABLE]...
 */
import { parseArgs } from "@std/cli/parse-args";
import { dirname, join } from "@std/path";

interface Run {
  readonly wall: number;
  readonly processor: number;
  readonly memory: number;
}

/** GNU time(1) tells the most memory, in KiB, and bash the processor's time to the millisecond. */
const SCRIPT = 'TIMEFORMAT="%3U %3S"; time /usr/bin/time -f %M "$0" --version >/dev/null';

function start(executable: string): Run {
  const before = performance.now();
  const { success, stderr } = new Deno.Command("bash", {
    args: ["-c", SCRIPT, executable],
    env: { LC_ALL: "C" },
    stdin: "null",
  }).outputSync();
  const wall = performance.now() - before;
  const words = new TextDecoder().decode(stderr).trim().split(/\s+/).map(Number);
  if (!success || words.length !== 3) throw new Error(`${executable} --version failed`);
  const [memory, user, system] = words as [number, number, number];
  return { wall, processor: (user + system) * 1000, memory: memory / 1024 };
}

if (import.meta.main) {
  const { runs, _ } = parseArgs(Deno.args, { string: ["runs", "_"], default: { runs: "30" } });
  const given = _.map(String);
  const executables = given.length > 0 ? given : [
    join(dirname(import.meta.dirname!), "dist", "reptyr"),
  ];
  const all = new Map(executables.map((executable) => [executable, [] as Run[]]));
  for (let round = 0; round < Number(runs); round++) {
    for (const [executable, results] of all) results.push(start(executable));
  }
  console.log("median ms     least   cpu ms     least     MiB  size MB");
  for (const [executable, results] of all) {
    const sorted = (key: keyof Run) => results.map((run) => run[key]).sort((a, b) => a - b);
    const median = (key: keyof Run) => sorted(key)[results.length >> 1]!;
    const cells = [
      median("wall").toFixed(1).padStart(9),
      sorted("wall")[0]!.toFixed(1).padStart(8),
      median("processor").toFixed(1).padStart(9),
      sorted("processor")[0]!.toFixed(1).padStart(8),
      median("memory").toFixed(1).padStart(6),
      (Deno.statSync(executable).size / 1e6).toFixed(1).padStart(7),
    ];
    console.log(`${cells.join("  ")}  ${executable}`);
  }
}
