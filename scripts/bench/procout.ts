/**
 * The speed of procout beside that of `strace -f -e trace=write -p`, in turns in one run: what one write costs a target
 * that is watched. strace shows 32 bytes of each; procout delivers all of them, with ptrace to a file, with eBPF to wc(1).
 */
import { green, red, yellow } from "@std/fmt/colors";
import { join } from "@std/path";
import { O_RDONLY, O_WRONLY, SIGTERM } from "../../src/ffi/constants.ts";
import { usleep } from "../../src/ffi/process.ts";
import { spawn } from "../../src/ffi/spawn.ts";
import { readCommand } from "../../src/proc/command.ts";
import { lacks } from "../../tests/support/capabilities.ts";
import { Child, childrenOf } from "../../tests/support/child.ts";
import { Terminal, waitUntil } from "../../tests/support/terminal.ts";

interface Case {
  readonly engine: "ptrace" | "bpf";
  readonly name: string;
  readonly writes: Readonly<Record<Tool, number>>;
  readonly length: number;
  /** Of strace's time. */
  readonly atMost: number;
}

type Tool = "ours" | "strace";

function writes(ours: number, strace = ours): Case["writes"] {
  return { ours, strace };
}

const CASES: readonly Case[] = [
  { engine: "ptrace", name: "64-byte write", writes: writes(20_000), length: 64, atMost: 1.2 },
  { engine: "ptrace", name: "64-KiB write", writes: writes(4_000), length: 65_536, atMost: 3 },
  {
    engine: "bpf",
    name: "64-byte write",
    writes: writes(200_000, 20_000),
    length: 64,
    atMost: 0.05,
  },
  { engine: "bpf", name: "64-KiB write", writes: writes(5_000, 3_000), length: 65_536, atMost: 3 },
];

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
  const noBpf = lacks("bpf");
  for (const one of CASES) {
    const { engine, name, atMost } = one;
    if (engine === "bpf" && noBpf !== undefined) {
      lines.push(yellow(`SKIPPED: ${name}: ${noBpf}`));
      continue;
    }
    const samples: Record<Tool, number[]> = { strace: [], ours: [] };
    for (let round = 0; round < rounds; round++) {
      // Neither is always the first.
      const order = (["strace", "ours"] as const).toSorted(() => round % 2 === 0 ? 1 : -1);
      for (const tool of order) samples[tool].push(timeOf(victim, tool, one, procout, folder));
    }
    const [ours, theirs] = [median(samples.ours), median(samples.strace)];
    // Of each round by itself: what else the machine does changes from one to the next.
    const ratio = median(samples.ours.map((value, round) => value / samples.strace[round]!));
    lines.push(
      `${name}: procout --engine=${engine} ${ours.toFixed(2)} us, strace ${
        theirs.toFixed(1)
      } us, ` +
        `ratio ${ratio.toFixed(3)} (<= ${atMost}), ${rounds} samples: ${met(ratio <= atMost)}`,
    );
  }
  if (noBpf === undefined) {
    const percent = idle(procout, folder);
    lines.push(
      `idle watch: procout --engine=bpf ${percent.toFixed(2)} % (0): ${met(percent === 0)}`,
    );
  }
  return lines;
}

function met(isMet: boolean): string {
  return isMet ? green("ok") : red("missed");
}

/** What a shell runs: $0 is procout, $1 the process, $2 the mirror or its length, $3 what is said on stderr. */
const COMMANDS: Readonly<Record<Case["engine"] | "strace", string>> = {
  strace: 'exec strace -f -e trace=write -o /dev/null -p "$1" 2>"$3"',
  ptrace: 'exec "$0" -V --engine=ptrace "$1" >"$2" 2>"$3"',
  bpf: '{ "$0" -V --engine=bpf "$1" 2>"$3"; } | wc -c >"$2"',
};

/** Microseconds for one write of the victim while the tool watches it. */
function timeOf(victim: string, tool: Tool, one: Case, procout: string, folder: string): number {
  const { engine, length } = one;
  const count = one.writes[tool];
  using target = Terminal.start([victim, `${count}`, `${length}`]);
  target.expect("ready");
  using child = watch(tool === "ours" ? engine : tool, target.pid, procout, folder);
  target.line("go", { timeoutMs: 60_000 });
  const took = Number(target.expect(/took ([\d.]+)/, { timeoutMs: 120_000 })[1]);
  waitUntil("the tool to end", () => child.status, { timeoutMs: 60_000 });
  if (tool === "ours") {
    const mirror = join(folder, "mirror");
    const delivered = engine === "bpf"
      ? Number(Deno.readTextFileSync(mirror))
      : Deno.statSync(mirror).size;
    const expected = count * length;
    if (delivered !== expected) {
      throw new Error(`procout delivered ${delivered} of ${expected} bytes`);
    }
  }
  return took;
}

/** One of COMMANDS for process `target`, when it watches that. */
function watch(
  command: keyof typeof COMMANDS,
  target: number,
  procout: string,
  folder: string,
): Child {
  const said = join(folder, "said");
  Deno.writeTextFileSync(said, "");
  const words = [procout, `${target}`, join(folder, "mirror"), said];
  const pid = spawn(["sh", "-c", COMMANDS[command], ...words], {
    env: Deno.env.toObject(),
    files: [
      { fd: 0, path: "/dev/null", flags: O_RDONLY },
      { fd: 1, path: "/dev/null", flags: O_WRONLY },
      { fd: 2, path: "/dev/null", flags: O_WRONLY },
    ],
  });
  const child = new Child(pid);
  waitUntil("the tool to attach", () => /attached|Watching/.test(Deno.readTextFileSync(said)));
  usleep(SETTLE_US);
  return child;
}

const IDLE_MS = 3000;
/** Before that it waits for a moment whether more comes. */
const QUIET_US = 500_000;

/** Processor time in percent of a watch of somebody who writes nothing. */
function idle(procout: string, folder: string): number {
  using target = Terminal.start(["sleep", "1000"]);
  using shell = watch("bpf", target.pid, procout, folder);
  const watcher = waitUntil(
    "procout",
    () => childrenOf(shell.pid).flatMap((pid) => [pid, ...childrenOf(pid)]).find(isProcout),
  );
  usleep(QUIET_US);
  const before = processorTicks(watcher);
  usleep(IDLE_MS * 1000);
  const ticks = processorTicks(watcher) - before;
  target.child.handle.signal(SIGTERM);
  waitUntil("procout to end", () => shell.status);
  return 100 * ticks * MS_PER_TICK / IDLE_MS;
}

/** USER_HZ is 100 on every architecture. */
const MS_PER_TICK = 10;

function isProcout(pid: number): boolean {
  return readCommand(pid)?.includes("--engine=bpf") === true &&
    !Deno.readTextFileSync(`/proc/${pid}/comm`).startsWith("sh");
}

/** proc_pid_stat(5): utime and stime. */
function processorTicks(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

/** The victim; `undefined` without a compiler. */
export function compile(folder: string): string | undefined {
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
