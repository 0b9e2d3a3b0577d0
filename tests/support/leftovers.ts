/**
 * What a process consists of, before and after it was worked on: nothing mapped, opened, blocked,
 * pending or forked may stay behind.
 */
import { assertEquals } from "@std/assert";
import { readFds } from "../../src/proc/fds.ts";
import { type Mapping, readMaps } from "../../src/proc/maps.ts";
import { livingThread, readStat } from "../../src/proc/stat.ts";
import { readStatus, type Status } from "../../src/proc/status.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { childrenOf } from "./child.ts";
import { DEFAULT_TIMEOUT_MS, waitUntil } from "./terminal.ts";

export interface SnapshotOptions {
  /**
   * `exact`: every mapping. `named`: those of files, for programs that manage memory on their own
   * account, such as node and python3. Sizes of heap and stack are never compared.
   */
  readonly mappings?: "exact" | "named";
  /** `false` for programs whose threads come and go. */
  readonly threads?: boolean;
}

/** Deno.makeTempDir() of a test, benchmark or demonstration, which may run beside this one. */
const TEST_FOLDER = /^reptyr-[a-z0-9]+-[0-9a-f]{1,16}$/;

/** How long a process may take to get back to where it was: a stopped one has to enter its stop again. */
const SETTLE_MS = DEFAULT_TIMEOUT_MS / 4;

interface Facts {
  readonly mappings: readonly string[];
  readonly descriptors: readonly string[];
  readonly threads: readonly string[] | undefined;
  readonly limits: string;
  readonly ignored: string;
  readonly caught: string;
  readonly sharedPending: string;
  readonly children: readonly number[];
  readonly ourChildren: readonly number[];
  readonly ourFiles: readonly string[];
}

/** What {@linkcode assertNothingLeft} compares with. */
export interface Snapshot {
  readonly pid: number;
  readonly options: SnapshotOptions;
  readonly facts: Facts;
}

/** Take down what process `pid` is, and what this program has around it. */
export function snapshot(pid: number, options: SnapshotOptions = {}): Snapshot {
  waitUntil(`process ${pid} to be done with its fork`, () => !isForking(pid));
  return { pid, options, facts: factsOf(pid, options) };
}

/**
 * Assert that the process is what it was: untraced, running or stopped as before, with the same
 * mappings, descriptors, signal settings and children; and that no process and no file of ours stays.
 * That a descriptor leads to another terminal now is no difference.
 */
export function assertNothingLeft(before: Snapshot): void {
  const facts = () => factsOf(before.pid, before.options);
  const wanted = JSON.stringify(before.facts);
  try {
    const found = waitUntil("the old state", () => {
      if (JSON.stringify(facts()) === wanted) return "the same";
      // It will not be what it was ever again.
      return isOver(before.pid) && "over";
    }, { timeoutMs: SETTLE_MS });
    if (found === "the same") return;
  } catch {
    // What differs is told below.
  }
  assertEquals(facts(), before.facts, `Process ${before.pid} is not what it was before`);
}

/** No process and no terminal of this program is left: for afterEach. */
export function assertNoneLeft(): void {
  assertEquals(childrenOf(Deno.pid), [], "children");
  const masters = (readFds(Deno.pid, Deno.pid) ?? []).filter(({ fdinfo }) =>
    fdinfo.ttyIndex !== undefined
  );
  assertEquals(masters, [], "terminals");
}

/** Whether all threads have ended. */
function isOver(pid: number): boolean {
  return (listTids(pid) ?? []).every((tid) => !isLive(pid, tid));
}

function isLive(pid: number, tid: number): boolean {
  return /^[^ZX]$/.test(readStat(pid, tid)?.state ?? "X");
}

function factsOf(pid: number, options: SnapshotOptions): Facts {
  const tids = listTids(pid) ?? [];
  // A leader that has exited has neither descriptors nor mappings to show; another thread does.
  const tid = livingThread(pid) ?? pid;
  const status = readStatus(pid, tid);
  if (status === undefined) throw new Error(`Process ${pid} is gone`);
  return {
    mappings: (readMaps(pid, tid) ?? []).filter((mapping) =>
      options.mappings !== "named" || mapping.inode !== 0n
    ).map(describeMapping).sort(),
    descriptors: (readFds(pid, tid) ?? []).map(({ fd, link, fdinfo }) =>
      `${fd}: ${terminalless(link)} flags 0o${fdinfo.flags.toString(8)}`
    ),
    threads: options.threads === false ? undefined : tids.map((tid) => describeThread(pid, tid)),
    limits: Deno.readTextFileSync(`/proc/${pid}/task/${tid}/limits`),
    ignored: status.sigIgnored.toString(16),
    caught: status.sigCaught.toString(16),
    sharedPending: (status.sharedPending & ~unnoticed(status)).toString(16),
    children: childrenOf(pid).sort(),
    ourChildren: childrenOf(Deno.pid).sort(),
    ourFiles: Array.from(Deno.readDirSync("/tmp"), ({ name }) => name)
      .filter((name) => name.toLowerCase().includes("reptyr") && !TEST_FOLDER.test(name)).sort(),
  };
}

/** What libc blocks while it forks: all but SIGKILL, SIGSTOP, and the two that libc keeps for itself. */
const BLOCKED_BY_LIBC = [9, 19, 32, 33].reduce(
  (set, signal) => set & ~(1n << BigInt(signal - 1)),
  0xffff_ffff_ffff_ffffn,
);

/** A program that blocks as much itself, and waits for something, does not look like one that forks. */
function isForking(pid: number): boolean {
  return (listTids(pid) ?? []).some((tid) =>
    readStatus(pid, tid)?.sigBlocked === BLOCKED_BY_LIBC &&
    /[RD]/.test(readStat(pid, tid)?.state ?? "")
  );
}

/** SIGCHLD, SIGCONT, SIGURG and SIGWINCH: their default action is none, signal(7). Bit N - 1 is signal N. */
const NO_ACTION = [17, 18, 23, 28].reduce((set, signal) => set | 1n << BigInt(signal - 1), 0n);

/** Signals that come and go without a trace in a process that neither handles nor holds them. */
function unnoticed({ sigCaught, sigBlocked }: Status): bigint {
  return NO_ACTION & ~sigCaught & ~sigBlocked;
}

function describeMapping(mapping: Mapping): string {
  const growing = mapping.path === "[heap]" || mapping.path === "[stack]";
  const access = (mapping.readable ? "r" : "-") + (mapping.writable ? "w" : "-") +
    (mapping.executable ? "x" : "-") + (mapping.shared ? "s" : "p");
  const size = growing ? "" : ` ${mapping.start.toString(16)}-${mapping.end.toString(16)}`;
  return `${mapping.path || "anonymous"} ${access}${size}`;
}

function terminalless(link: string): string {
  return /^\/dev\/(pts\/\d+|tty\d*)( \(deleted\))?$/.test(link) ? "terminal" : link;
}

/** Whether it goes on or is stopped, by job control or by a tracer. Sleeping is going on. */
function describeThread(pid: number, tid: number): string {
  const status = readStatus(pid, tid);
  const state = readStat(pid, tid)?.state ?? "gone";
  const going = /[RSD]/.test(state) ? "goes on" : state;
  return `${tid}: ${going}, tracer ${status?.tracerPid}, blocked ${
    status?.sigBlocked.toString(16)
  },` +
    ` pending ${status?.sigPending.toString(16)}`;
}
