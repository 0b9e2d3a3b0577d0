/**
 * Compares the speed of dist/reptyr with that of Debian's package `reptyr`, both in one run and in turns, so
 * that whatever else the machine does hits both. A report, not a test: slower is no failure, status 1 is only
 * for a run that could not be made.
 *
 *     deno task bench [--rounds=5] [--only=start,stop,keys,output,idle,loan,job,moves,procout]
 *                     [--ours=PATH] [--theirs=PATH]
 */
import { parseArgs } from "@std/cli/parse-args";
import { bold, green, red, setColorEnabled, yellow } from "@std/fmt/colors";
import { dirname, join } from "@std/path";
import { POLLIN } from "../src/ffi/constants.ts";
import { PollSet, read, write } from "../src/ffi/descriptor.ts";
import { usleep } from "../src/ffi/process.ts";
import { benchProcout } from "./bench/procout.ts";
import { type Child, childrenOf } from "../tests/support/child.ts";
import { Terminal, waitUntil } from "../tests/support/terminal.ts";
import { reportOurs } from "./bench/ours.ts";

const ROOT = dirname(import.meta.dirname!);
const GIVE_UP_MS = 20_000;
const FLOOD_BYTES = 64 << 20;

/** The two tools that are compared; a measurement is a number for each. */
const TOOLS = ["ours", "reptyr"] as const;
type Tool = (typeof TOOLS)[number];

interface Bench {
  readonly commands: Readonly<Record<Tool, string>>;
  readonly victim: string;
  readonly folder: string;
  readonly rounds: number;
}

interface Metric {
  readonly key: string;
  readonly name: string;
  readonly unit: string;
  /** The ratio ours / reptyr that is wanted: at most, or at least. Without one, ours is to be 0. */
  readonly goal?: { readonly atMost: number } | { readonly atLeast: number };
  readonly samples: Readonly<Record<Tool, number[]>>;
}

function metric(key: string, name: string, unit: string, goal?: Metric["goal"]): Metric {
  const samples = { ours: [], reptyr: [] };
  return goal === undefined ? { key, name, unit, samples } : { key, name, unit, goal, samples };
}

/** A victim on a terminal of its own, its session's leader. */
function startVictim(bench: Bench, ...args: string[]): Terminal {
  const terminal = Terminal.start([bench.victim, ...args]);
  terminal.expect("ready");
  return terminal;
}

/** Sleep without ending: nothing else is to run here meanwhile. */
function pause(milliseconds: number): void {
  usleep(milliseconds * 1000);
}

/** Until `tool` has made `pid` leave the terminal `device`. */
function waitUntilMoved(pid: number, device: string, tool: Child): void {
  const end = performance.now() + GIVE_UP_MS;
  while (Deno.readLinkSync(`/proc/${pid}/fd/0`) === device) {
    if (tool.status !== undefined) throw new Error("A tool ended and did not move its target");
    if (performance.now() > end) throw new Error(`Process ${pid} is still on ${device}`);
    usleep(200);
  }
}

/** Read from `terminal` until `done`; false when nothing came for `timeoutMs`. */
function readUntil(
  terminal: Terminal,
  done: (bytes: Uint8Array) => boolean,
  timeoutMs = GIVE_UP_MS,
): boolean {
  const set = new PollSet(1);
  for (;;) {
    set.watch(0, terminal.master, POLLIN);
    if (set.poll(timeoutMs) === 0) return false;
    const count = read(terminal.master, BUFFER);
    if (count > 0 && done(BUFFER.subarray(0, count))) return true;
  }
}

const BUFFER = new Uint8Array(1 << 17);
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** A tool that has moved a victim to a terminal of its own. */
interface Moved {
  readonly tool: Tool;
  readonly terminal: Terminal;
  readonly pid: number;
}

/** One victim for each tool, moved by it and idle. They are ended with `owner`. */
function moveOneEach(bench: Bench, owner: DisposableStack, ...args: string[]): Moved[] {
  return TOOLS.map((tool) => {
    const old = owner.use(startVictim(bench, ...args));
    const terminal = owner.use(new Terminal());
    const child = terminal.spawn([bench.commands[tool], `${old.pid}`]);
    waitUntilMoved(old.pid, old.device, child);
    return { tool, terminal, pid: child.pid };
  });
}

/** From the start of the tool to the answer to a line that is typed as soon as the target has moved. */
function measureStart(bench: Bench, result: Metric): void {
  for (const tool of TOOLS) {
    using old = startVictim(bench, "lines");
    using terminal = new Terminal();
    const start = performance.now();
    const child = terminal.spawn([bench.commands[tool], `${old.pid}`]);
    waitUntilMoved(old.pid, old.device, child);
    let seen = "";
    const answered = (bytes: Uint8Array): boolean =>
      (seen += DECODER.decode(bytes)).includes("HELLO");
    // A line that comes before the tool has set its terminal up may be thrown away: then once more.
    do {
      write(terminal.master, ENCODER.encode("hello\r"));
    } while (!readUntil(terminal, answered, 50));
    result.samples[tool].push(performance.now() - start);
  }
}

/** The longest time the target made no turn of its loop, from before the start of the tool. */
function measureStop(bench: Bench, result: Metric, asJob: boolean): void {
  for (const tool of TOOLS) {
    const file = join(bench.folder, "gaps");
    Deno.writeFileSync(file, new Uint8Array(24));
    const argv = [bench.victim, "gaps", file];
    using old = Terminal.start(asJob ? ["bash", "--norc", "--noprofile", "-i"] : argv);
    if (asJob) old.line(argv.join(" "));
    old.expect("ready");
    const pid = asJob ? waitUntil("the shell's child", () => childrenOf(old.pid)[0]) : old.pid;
    using terminal = new Terminal();
    request(file);
    const child = terminal.spawn([bench.commands[tool], `${pid}`]);
    waitUntilMoved(pid, old.device, child);
    // What follows the move is part of it: the last thread must have been let go.
    pause(100);
    result.samples[tool].push(numbers(file)[0]! / 1e6);
  }
}

/** What the scheduler alone does: the longest gap of a target that nobody stops, in milliseconds. */
function undisturbedGap(bench: Bench): number {
  const file = join(bench.folder, "gaps");
  Deno.writeFileSync(file, new Uint8Array(24));
  using _victim = startVictim(bench, "gaps", file);
  request(file);
  pause(150);
  return numbers(file)[0]! / 1e6;
}

function numbers(file: string): number[] {
  return Array.from(new BigUint64Array(Deno.readFileSync(file).buffer), Number);
}

/** Ask the victim of `gaps` to begin anew, and wait until it has. */
function request(file: string): void {
  using opened = Deno.openSync(file, { write: true });
  opened.seekSync(16, Deno.SeekMode.Start);
  opened.writeSync(Uint8Array.of(1));
  while (numbers(file)[2] !== 0) usleep(100);
}

/** One key to each terminal in turn, and how long its answer took. */
function measureKeys(moved: readonly Moved[], result: Metric): void {
  for (const { tool, terminal } of moved) {
    const start = performance.now();
    write(terminal.master, ENCODER.encode("a"));
    if (!readUntil(terminal, (bytes) => bytes.includes(0x62))) throw new Error("A key is lost");
    result.samples[tool].push(performance.now() - start);
  }
}

function measureOutput(moved: readonly Moved[], result: Metric): void {
  for (const { tool, terminal } of moved) {
    let left = FLOOD_BYTES;
    const start = performance.now();
    write(terminal.master, ENCODER.encode("a"));
    if (!readUntil(terminal, (bytes) => (left -= bytes.length) <= 0)) {
      throw new Error("Output is lost");
    }
    result.samples[tool].push(FLOOD_BYTES / (1 << 20) / ((performance.now() - start) / 1000));
  }
}

function measureIdle(moved: readonly Moved[], seconds: number, result: Metric): void {
  const before = moved.map(({ pid }) => cpuTicks(pid));
  pause(seconds * 1000);
  moved.forEach(({ tool, pid }, index) =>
    result.samples[tool].push(cpuTicks(pid) - before[index]!)
  );
}

/** utime and stime of a process, in clock ticks: proc_pid_stat(5). */
function cpuTicks(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Every measurement, each in turns. */
function measure(bench: Bench, wanted: (key: string) => boolean): Metric[] {
  const start = metric("start", "start to answered line", "ms", { atMost: 0.2 });
  const leader = metric("stop", "longest stop, session leader", "ms", { atMost: 1 });
  const job = metric("stop", "longest stop, job of a shell", "ms", { atMost: 1 });
  const steady = metric("keys", "key to screen, every 20 ms", "ms", { atMost: 1.3 });
  const rested = metric("keys", "key to screen, after 2 s", "ms", { atMost: 1.3 });
  const output = metric("output", "output", "MiB/s", { atLeast: 1 });
  const idle = metric("idle", "processor time, 3 s idle", "ticks");
  const metrics = [start, leader, job, steady, rested, output, idle].filter(({ key }) =>
    wanted(key)
  );
  const times = (count: number, what: (round: number) => void): void => {
    for (let round = 0; round < count; round++) what(round);
  };

  if (wanted("start")) times(bench.rounds, () => measureStart(bench, start));
  if (wanted("stop")) {
    times(2 * bench.rounds, () => {
      measureStop(bench, leader, false);
      measureStop(bench, job, true);
    });
  }
  if (wanted("keys")) {
    using owner = new DisposableStack();
    const moved = moveOneEach(bench, owner, "keys");
    pause(300);
    times(20 * bench.rounds, (round) => {
      measureKeys(inTurn(moved, round), steady);
      pause(20);
    });
    times(bench.rounds, (round) => {
      // Each after its own rest: the machine is not to be woken for the second by the first.
      for (const one of inTurn(moved, round)) {
        pause(2000);
        measureKeys([one], rested);
      }
    });
  }
  if (wanted("output")) {
    using owner = new DisposableStack();
    const moved = moveOneEach(bench, owner, "flood", `${FLOOD_BYTES}`);
    pause(300);
    times(bench.rounds, (round) => measureOutput(inTurn(moved, round), output));
  }
  if (wanted("idle")) {
    using owner = new DisposableStack();
    const moved = moveOneEach(bench, owner, "keys");
    pause(2000);
    measureIdle(moved, 3, idle);
  }
  return metrics;
}

/** Neither is always the first. */
function inTurn(moved: readonly Moved[], round: number): Moved[] {
  return round % 2 === 0 ? [...moved] : moved.toReversed();
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function table(metrics: readonly Metric[]): string[] {
  const row = (cells: string[]): string =>
    cells.map((cell, column) => column === 0 ? cell.padEnd(30) : cell.padStart(10)).join("");
  const rows = metrics.map(({ name, unit, goal, samples }) => {
    const ours = median(samples.ours);
    const theirs = median(samples.reptyr);
    const ratio = ours / theirs;
    const met = goal === undefined
      ? ours === 0
      : "atMost" in goal
      ? ratio <= goal.atMost
      : ratio >= goal.atLeast;
    const wanted = goal === undefined
      ? "ours 0"
      : "atMost" in goal
      ? `<= ${goal.atMost}`
      : `>= ${goal.atLeast}`;
    const cells = [
      `${name} (${unit})`,
      shown(ours),
      shown(theirs),
      goal === undefined ? "" : ratio.toFixed(2),
      wanted,
      `${samples.ours.length}`,
    ];
    return row(cells) + (met ? green("  ok") : red("  missed"));
  });
  const heading = row(["median", "ours", "reptyr", "ratio", "goal", "samples"]);
  return [bold(heading), ...rows];
}

function shown(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Compile the victim; undefined where there is no C compiler. */
function compileVictim(folder: string): string | undefined {
  const victim = join(folder, "victim");
  const source = join(import.meta.dirname!, "bench_victim.c");
  try {
    const args = ["-O2", "-o", victim, source];
    const { success, stderr } = new Deno.Command("cc", { args }).outputSync();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return victim;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isThere(command: string): boolean {
  try {
    new Deno.Command(command, { args: ["-v"], stdout: "null", stderr: "null" }).outputSync();
    return true;
  } catch {
    return false;
  }
}

/** The other command, beside strace. */
function benchProcoutOf(procout: string, rounds: number): void {
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-bench-" });
  try {
    for (const line of benchProcout({ procout, folder, rounds })) console.log(line);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function main(args: string[]): number {
  setColorEnabled(Deno.stdout.isTerminal() && !Deno.noColor);
  const options = parseArgs(args, { string: ["rounds", "only", "ours", "theirs"] });
  const ours = options.ours ?? join(ROOT, "dist", "reptyr");
  const theirs = options.theirs ?? "reptyr";
  if (options.only === undefined || options.only.split(",").includes("procout")) {
    benchProcoutOf(join(dirname(ours), "procout"), Number(options.rounds ?? 5));
    if (options.only === "procout") return 0;
  }
  if (!isThere(theirs)) {
    console.log(yellow("SKIPPED: there is no reptyr to compare with: apt-get install reptyr"));
    return 0;
  }
  const folder = Deno.makeTempDirSync({ prefix: "reptyr-bench-" });
  try {
    const victim = compileVictim(folder);
    if (victim === undefined) {
      console.log(
        yellow("SKIPPED: there is no C compiler for the target: apt-get install gcc libc6-dev"),
      );
      return 0;
    }
    const rounds = Number(options.rounds ?? 5);
    const keys = options.only?.split(",");
    const bench: Bench = { commands: { ours, reptyr: theirs }, victim, folder, rounds };
    const metrics = measure(bench, (key) => keys === undefined || keys.includes(key));
    if (metrics.length > 0) { for (const line of table(metrics)) console.log(line); }
    for (
      const line of reportOurs({ ...bench, command: ours }, (key) => keys?.includes(key) ?? true)
    ) {
      console.log(line);
    }
    if (metrics.some(({ key }) => key === "stop")) {
      const gaps = Array.from({ length: rounds }, () => undisturbedGap(bench));
      console.log(`A target that nobody stops stood still for ${shown(median(gaps))} ms`);
    }
    const [load] = Deno.loadavg();
    if (load! > navigator.hardwareConcurrency) {
      console.log(yellow(`The machine was busy with other work: load average ${load!.toFixed(1)}`));
    }
    return 0;
  } catch (error) {
    console.error(`The benchmark failed: ${error instanceof Error ? error.message : error}`);
    return 1;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(main(Deno.args));
