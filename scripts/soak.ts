/**
 * Storms over moves, for as long as one likes: `deno task soak [--help]`. No part of the gate; tests/e2e/soak_test.ts is.
 */
import { parseArgs } from "@std/cli/parse-args";
import { Random } from "./soak/random.ts";
import { Round } from "./soak/round.ts";
import { whatIsMissing } from "./soak/storms.ts";
import type { Ground } from "./soak/subject.ts";
import { errorText, harmText, Tally } from "./soak/tally.ts";

const HELP = `Move programs to and fro, under signals, with reptyr killed and its calls failing

Each round starts a program that reports on itself, and has some storms over it.

  --minutes N   how long (2)
  --seed N      of what is chosen; told at the end (from the clock)
  --round N     this round alone, as --seed has it
  --verbose     say each step

Exit status: 0 when nobody was harmed, 1 when somebody was.`;

const MOST_STEPS = 6;

interface Wanted {
  readonly seed: number;
  readonly minutes: number;
  readonly round: number | undefined;
  readonly verbose: boolean;
}

/** A number of an option. Throws RangeError. */
function numberOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!(number >= 0)) throw new RangeError(`--${name}=${text}: expected a number`);
  return number;
}

function run(command: string, args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** What all rounds use; given back when it is disposed of. */
function prepare(stack: DisposableStack): Ground {
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-soak-" });
  stack.defer(() => Deno.removeSync(folder, { recursive: true }));
  const semaphore = Number(/\d+/.exec(run("ipcmk", ["-S", "1"]))![0]);
  stack.defer(() => run("ipcrm", ["-s", String(semaphore)]));
  return { folder, semaphore };
}

async function soak({ seed, minutes, round: only, verbose }: Wanted): Promise<number> {
  using stack = new DisposableStack();
  const ground = prepare(stack);
  const tally = new Tally();
  let isOver = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const end = () => isOver = true;
    Deno.addSignalListener(signal, end);
    stack.defer(() => Deno.removeSignalListener(signal, end));
  }
  const end = performance.now() + minutes * 60_000;
  for (let round = only ?? 1; !isOver; round++) {
    oneRound({ seed, round, ground, tally, verbose });
    if (only !== undefined || performance.now() >= end) break;
    // Signal listeners run.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  console.log(`\nseed ${seed}\n${tally.lines().join("\n")}`);
  return tally.harms.length > 0 ? 1 : 0;
}

function oneRound(
  { seed, round, ground, tally, verbose }: Pick<Wanted, "seed" | "verbose"> & {
    readonly round: number;
    readonly ground: Ground;
    readonly tally: Tally;
  },
): void {
  const random = new Random(seed, round);
  const known = tally.harms.length;
  tally.count("rounds");
  try {
    using one = new Round({
      seed,
      round,
      steps: random.integer(2, MOST_STEPS),
      random,
      ground,
      tally,
      onStep: (line) => verbose && console.log(line),
    });
    one.run();
  } catch (error) {
    const what = errorText(error);
    tally.harmed({ seed, round, step: 0, subject: "any", storm: "start or end of a round", what });
  }
  for (const harm of tally.harms.slice(known)) console.log(`HARMED: ${harmText(harm)}`);
}

async function main(args: string[]): Promise<number> {
  const options = parseArgs(args, {
    string: ["minutes", "seed", "round"],
    boolean: ["help", "verbose"],
    unknown: (word) => {
      throw new RangeError(`unknown option or word ${word}`);
    },
  });
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const missing = whatIsMissing();
  if (missing !== undefined) console.log(`Left out: ${missing}`);
  return await soak({
    seed: numberOf(options.seed, "seed") ?? Date.now() % 1_000_000,
    minutes: numberOf(options.minutes, "minutes") ?? 2,
    round: numberOf(options.round, "round"),
    verbose: options.verbose,
  });
}

if (import.meta.main) Deno.exit(await main(Deno.args));
