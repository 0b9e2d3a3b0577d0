/**
 * What only dist/reptyr is measured for, each number against the goal that it has: how long threads have registers
 * that are not their own, how long a job of eight stands still, what two hundred moves leave behind.
 */
import { green, red } from "@std/fmt/colors";
import { join } from "@std/path";
import { usleep } from "../../src/ffi/process.ts";
import { childrenOf } from "../../tests/support/child.ts";
import { Terminal, waitUntil } from "../../tests/support/terminal.ts";

export interface OurBench {
  readonly command: string;
  readonly victim: string;
  readonly folder: string;
  readonly rounds: number;
}

const SHELL = ["bash", "--norc", "--noprofile", "-i"];
const SHAPES = ["session leader", "job of a shell"] as const;
type Shape = (typeof SHAPES)[number];

/** Lines of what `wanted` asks for: loan, job, moves. */
export function reportOurs(bench: OurBench, wanted: (key: string) => boolean): string[] {
  return [
    ...wanted("loan") ? reportLoans(bench) : [],
    ...wanted("job") ? reportJob(bench) : [],
    ...wanted("moves") ? reportMoves(bench) : [],
  ];
}

function line(name: string, value: string, goal?: { text: string; met: boolean }): string {
  const verdict = goal === undefined
    ? ""
    : `  ${goal.text}  ${goal.met ? green("ok") : red("missed")}`;
  return `${name.padEnd(44)}${value.padStart(12)}${verdict}`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

interface Started {
  readonly terminal: Terminal;
  readonly pid: number;
}

/** Start `words`, which say `ready`, in one of the shapes. */
function start(
  shape: Shape,
  words: readonly string[],
  owner: DisposableStack,
  readies = 1,
): Started {
  const asJob = shape === "job of a shell";
  const terminal = owner.use(Terminal.start(asJob ? SHELL : words));
  if (asJob) {
    const quoted = words.map((word) => `'${word}'`).join(" ");
    terminal.line(quoted);
  }
  for (let count = 0; count < readies; count++) terminal.expect(/(?:^|[\r\n])ready/);
  const child = () => childrenOf(terminal.pid)[0];
  return { terminal, pid: asJob ? waitUntil("the shell's child", child) : terminal.pid };
}

/** The changed-register window: what a reptyr killed in it leaves to the target to put right. */
function reportLoans({ command, victim, rounds }: OurBench): string[] {
  return SHAPES.map((shape) => {
    const samples = Array.from({ length: rounds }, () => {
      using owner = new DisposableStack();
      const { pid } = start(shape, [victim, "lines"], owner);
      const terminal = owner.use(Terminal.start([command, "--verbose", `${pid}`]));
      const told = terminal.expect(
        /Remote scopes: (\d+), at most (\d+) us, together (\d+) us, (\d+) without/,
      );
      return told.slice(1).map(Number);
    });
    const column = (index: number) => median(samples.map((sample) => sample[index]!));
    return line(
      `registers on loan, ${shape}`,
      `${column(1)} us`,
      {
        text: `${column(0)} windows, together ${
          column(2)
        } us; goal: none without a sigframe stack, ${column(3)}`,
        met: samples.every((sample) => sample[3] === 0),
      },
    );
  });
}

const MEMBERS = 8;
const LONGEST_STANDSTILL_MS = 30;
/** So long that eight of them do not keep the processors busy. */
const PAUSE_US = 1000;

/** The longest time that any of eight processes made no turn of its loop, during a move and during none. */
function reportJob({ command, victim, folder, rounds }: OurBench): string[] {
  return SHAPES.flatMap((shape) => {
    const samples = Array.from({ length: rounds }, () => {
      using owner = new DisposableStack();
      const files = Array.from({ length: MEMBERS }, (_, index) => join(folder, `gaps${index}`));
      for (const file of files) Deno.writeFileSync(file, new Uint8Array(24));
      const members = files.map((file) => `${victim} gaps ${file} ${PAUSE_US}`);
      const script = `${members.slice(1).join(" & ")} & exec ${members[0]}`;
      const { pid } = start(shape, ["sh", "-c", script], owner, MEMBERS);
      const reset = () => files.forEach(beginAnew);
      const longest = () => Math.max(...files.map((file) => numbers(file)[0]!)) / 1e6;
      reset();
      usleep(200_000);
      const undisturbed = longest();
      reset();
      // Not --verbose: that would have us read, and work, while they stand still.
      const before = terminalOf(pid);
      const { child } = owner.use(Terminal.start([command, `${pid}`]));
      while (terminalOf(pid) === before) {
        if (child.status !== undefined) throw new Error("reptyr did not move its target");
        usleep(5000);
      }
      usleep(200_000);
      return { undisturbed, moved: longest() };
    });
    const moved = median(samples.map(({ moved }) => moved));
    const undisturbed = median(samples.map(({ undisturbed }) => undisturbed));
    const least = Math.min(...samples.map(({ moved }) => moved));
    return [
      line(`longest stop of a job of ${MEMBERS}, ${shape}`, `${moved.toFixed(1)} ms`, {
        text: `goal: at most ${LONGEST_STANDSTILL_MS}; least ${
          least.toFixed(1)
        }, when nobody stops it ${undisturbed.toFixed(1)}`,
        met: moved <= LONGEST_STANDSTILL_MS,
      }),
    ];
  });
}

function terminalOf(pid: number): string {
  return Deno.readLinkSync(`/proc/${pid}/fd/1`);
}

function numbers(file: string): number[] {
  return Array.from(new BigUint64Array(Deno.readFileSync(file).buffer), Number);
}

function beginAnew(file: string): void {
  using opened = Deno.openSync(file, { write: true });
  opened.seekSync(16, Deno.SeekMode.Start);
  opened.writeSync(Uint8Array.of(1));
  while (numbers(file)[2] !== 0) usleep(100);
}

const MOVES = 200;
const WARM = 10;

/** What a process has in memory, in KiB, and how many descriptors. */
function sizeOf(pid: number) {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return {
    kib: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]),
    fds: Array.from(Deno.readDirSync(`/proc/${pid}/fd`)).length,
  };
}

/** The same process moved on and on, each time by a new reptyr. */
function reportMoves({ command, victim }: OurBench): string[] {
  using owner = new DisposableStack();
  const { pid } = start("session leader", [victim, "lines"], owner);
  using last = new DisposableStack();
  let current = last.use(new DisposableStack());
  let first: { target: ReturnType<typeof sizeOf>; reptyr: ReturnType<typeof sizeOf> } | undefined;
  let now = first;
  for (let count = 1; count <= MOVES; count++) {
    const next = new DisposableStack();
    const terminal = next.use(Terminal.start([command, `${pid}`]));
    let answered = false;
    while (!answered) {
      terminal.line("hello");
      try {
        terminal.expect("HELLO", { timeoutMs: 500 });
        answered = true;
      } catch {
        if (terminal.child.status !== undefined) throw new Error(`Move ${count} failed`);
      }
    }
    current.dispose();
    current = last.use(next);
    now = { target: sizeOf(pid), reptyr: sizeOf(terminal.pid) };
    if (count === WARM) first = now;
  }
  const rows = (["target", "reptyr"] as const).flatMap((side) => {
    const [before, after] = [first![side], now![side]];
    const memory = after.kib - before.kib;
    return [
      line(`${MOVES} moves: growth of the ${side}, descriptors`, `${after.fds - before.fds}`, {
        text: "goal: none",
        met: after.fds === before.fds,
      }),
      line(`${MOVES} moves: growth of the ${side}, memory`, `${memory} KiB`, {
        text: `goal: none, of ${before.kib}`,
        met: memory <= before.kib / 10,
      }),
    ];
  });
  return rows;
}
