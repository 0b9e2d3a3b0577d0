/** reptyr run to its end, and what it said; and a target shown to be what it was before. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Descriptor, readFds } from "../../src/proc/fds.ts";
import { livingThread, readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { getTermios } from "../../src/tty/termios.ts";
import { Child, childrenOf, ProcessHandle } from "./child.ts";
import { orDispose } from "./or_dispose.ts";
import { spawn, type SpawnFile } from "../../src/ffi/spawn.ts";
import { reptyrPath } from "./reptyr.ts";
import { Terminal, type TerminalOptions, waitUntil } from "./terminal.ts";

export { AS_NOBODY, isRoot, NOBODY } from "./users.ts";

/** A terminal on which lines are not folded and messages have no colour. */
export const WIDE: TerminalOptions = { label: "reptyr", env: { NO_COLOR: "1" } };

export interface RunOptions {
  /** A program and its options, which runs reptyr in its place. */
  readonly prefix?: readonly string[];
  /** The terminal belongs to this user. */
  readonly owner?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** The settings of a terminal, byte for byte: a request to the master is about the slave. */
export function settingsOf(terminal: Terminal): string {
  return getTermios(terminal.master).bytes.toHex();
}

/** A new terminal with `reptyr ARGS` on it, and the settings it had before. */
export function startOn(
  args: readonly (string | number)[],
  { prefix = [], owner, env = {} }: RunOptions = {},
): { terminal: Terminal; settings: string } {
  const terminal = new Terminal({ ...WIDE, env: { ...WIDE.env, ...env } });
  return orDispose(terminal, () => {
    if (owner !== undefined) Deno.chownSync(terminal.device, owner, null);
    const settings = settingsOf(terminal);
    terminal.spawn([...prefix, reptyrPath, ...args.map(String)]);
    return { terminal, settings };
  });
}

/** The lines of what came out of a terminal. */
export function linesOf(output: string): string[] {
  return output.split(/\r*\n/).filter((line) => line !== "");
}

/** Assert that `lines` are one message as users get it: what failed, then what to do. No stack trace. */
export function assertMessage(lines: readonly string[]): void {
  const shown = JSON.stringify(lines, null, 2);
  assertMatch(lines[0] ?? "", /^reptyr: \S.*\S$/, shown);
  assert(
    lines.slice(1).every((line) => /^( {2}\S|Try '(reptyr|procout) --help'$)/.test(line)),
    shown,
  );
  assert(
    !lines.some((line) =>
      /^\s*at .*(:\d+|<anonymous>)|^\s*(at|Stack) |Uncaught|Unexpected/.test(line)
    ),
    shown,
  );
  assert(!/[^\x20-\x7e\u00a0-\uffff]/u.test(lines.join("")), shown);
}

/**
 * Run `reptyr ARGS`, which must fail with exit status `status` and one message, warnings apart. Returns its lines: the
 * first without `reptyr: `, the others without what they are indented by.
 */
export function refused(
  args: readonly (string | number)[],
  options: RunOptions & { readonly status?: number } = {},
): string[] {
  const { terminal, settings } = startOn(args, options);
  using _ = terminal;
  const ended = terminal.expectExit();
  // What is to be known before a move comes before the reason why it fails.
  const lines = linesOf(terminal.output).filter((line) => !line.startsWith("reptyr: warning: "));
  assertEquals(ended, { kind: "exited", status: options.status ?? 1 }, terminal.output);
  assertMessage(lines);
  assertEquals(settingsOf(terminal), settings, "The user's terminal is not as it was");
  return lines.map((line) => line.replace(/^reptyr: |^ {2}/, ""));
}

/** A program that is still being loaded is in state D now and then: so many looks must show the same. */
const LOOKS = 5;

/** Asserts that a process is what it was when this was made. */
export class Untouched {
  readonly #before: string;

  /** Waits until it runs the program `command`, if given, and has come to wait for something. */
  constructor(readonly pid: number, command?: string) {
    waitUntilSettled(pid, command);
    this.#before = describeProcess(pid);
  }

  assert(timeoutMs?: number): void {
    assertBecomes(() => describeProcess(this.pid), this.#before, this.pid, timeoutMs);
  }
}

function waitUntilSettled(pid: number, command?: string): void {
  let before = "";
  let same = 0;
  waitUntil(`process ${pid} to wait`, () => {
    const now = describeProcess(pid);
    const state = readStat(pid)?.state;
    same = now === before && state !== "R" ? same + 1 : 0;
    before = now;
    return same >= LOOKS && (command === undefined || command === readStat(pid)?.comm);
  });
}

/** How long a process may take: a stopped one has to enter its stop again, or to handle SIGWINCH. */
const SETTLE_MS = 5000;

function assertBecomes(
  describe: () => string,
  before: string,
  pid: number,
  timeoutMs = SETTLE_MS,
): void {
  try {
    waitUntil("the old state", () => describe() === before, { timeoutMs });
  } catch {
    assertEquals(describe(), before, `Process ${pid} is not what it was`);
  }
}

/** Everything that a move changes or might leave behind, as text. */
function describeProcess(pid: number): string {
  const stat = readStat(pid);
  if (stat === undefined) return `Process ${pid} is gone`;
  return [
    `group ${stat.pgrp}, session ${stat.session}, its signals ${ignoredSignals(pid)}`,
    `terminal ${stat.ttyNr}, its foreground ${stat.tpgid}`,
    ...fdsOf(pid).map(({ fd, link, dev, ino, rdev }) => `fd ${fd} ${link} ${dev} ${ino} ${rdev}`),
    describeRest(pid),
  ].join("\n");
}

/** What a move leaves alone: all but session, terminal, and what is done about SIGHUP. */
function describeRest(pid: number): string {
  const stat = readStat(pid);
  const lines = [
    `command ${stat?.comm}, parent ${stat?.ppid}, started ${stat?.startTime}`,
    `children ${childrenOf(pid).join(" ")}`,
  ];
  for (const tid of listTids(pid) ?? []) {
    const status = readStatus(pid, tid);
    const state = readStat(pid, tid)?.state ?? "gone";
    const sets = [status?.sigPending, status?.sharedPending, status?.sigBlocked];
    lines.push(
      `thread ${tid} ${/[RSD]/.test(state) ? "goes on" : state}, tracer ${status?.tracerPid}`,
      `signals ${sets.map((set) => set?.toString(16)).join(" ")}, seccomp ${status?.seccomp}`,
    );
  }
  for (const { fd, link, fdinfo } of fdsOf(pid)) {
    const epoll = fdinfo.epoll.map(({ tfd, events, data }) => `${tfd}:${events}:${data}`);
    const file = /^\/dev\/(pts\/\d+|tty)( \(deleted\))?$/.test(link) ? "terminal" : link;
    lines.push(`fd ${fd} ${file} ${fdinfo.flags} ${epoll.join(" ")}`);
  }
  const maps = Deno.readTextFileSync(`/proc/${pid}/maps`).trim().split("\n");
  // The kernel grows the stack whenever it likes.
  lines.push(...maps.map((line) => line.endsWith("[stack]") ? "[stack]" : line));
  return lines.join("\n");
}

function fdsOf(pid: number): readonly Descriptor[] {
  return readFds(pid, livingThread(pid) ?? pid) ?? [];
}

function ignoredSignals(pid: number): string {
  const status = readStatus(pid);
  return `${status?.sigIgnored.toString(16)} ${status?.sigCaught.toString(16)}`;
}

/** Whether `pid` leads a session and is in the foreground of its terminal, which is not number `oldTty`. */
export function isMoved(pid: number, oldTty: number): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.ttyNr !== 0 && stat.ttyNr !== oldTty && stat.session === pid &&
    stat.tpgid === pid && readStatus(pid)?.tracerPid === 0;
}

/** A process that reptyr has moved to a new terminal, and serves there. */
export class Moved implements Disposable {
  private constructor(
    readonly pid: number,
    /** The user's terminal, with that reptyr on it. */
    readonly terminal: Terminal,
    readonly settings: string,
    readonly process: ProcessHandle,
  ) {}

  /** Run reptyr; the process is moved then, and otherwise as it was. */
  static to(pid: number, options: RunOptions & { args?: readonly string[] } = {}): Moved {
    const oldTty = readStat(pid)?.ttyNr ?? 0;
    waitUntilSettled(pid);
    const before = describeRest(pid);
    using stack = new DisposableStack();
    const process = stack.use(new ProcessHandle(pid));
    const { terminal, settings } = startOn([...options.args ?? [], pid], options);
    stack.use(terminal);
    waitUntil(`process ${pid} to be moved`, () => {
      assert(terminal.child.status === undefined, `reptyr has ended\n${terminal.describe()}`);
      return isMoved(pid, oldTty);
    });
    assertBecomes(() => describeRest(pid), before, pid);
    stack.move();
    return new Moved(pid, terminal, settings, process);
  }

  /** The PID of the reptyr that serves it. */
  get reptyr(): number {
    return this.terminal.pid;
  }

  /** reptyr ends with `status`, the target has ended by then, and the terminal is as it was before. */
  expectEnd(status: number): void {
    assertEquals(this.terminal.expectExit(), { kind: "exited", status }, this.terminal.describe());
    assert(this.process.ended, `Process ${this.pid} outlives its reptyr`);
    assertEquals(settingsOf(this.terminal), this.settings, "The terminal is not as it was");
    this.terminal.expectEof();
  }

  [Symbol.dispose](): void {
    using stack = new DisposableStack();
    stack.use(this.terminal);
    stack.use(this.process);
    this.process.end();
  }
}

/** How often each thread of `pid` has been given a processor, or given it up: proc_pid_status(5). */
export function switchesOf(pid: number): string {
  return (listTids(pid) ?? []).map((tid) => {
    const status = Deno.readTextFileSync(`/proc/${pid}/task/${tid}/status`);
    return `${tid} ${status.match(/^(non)?voluntary_ctxt_switches:.*$/gm)?.join(" ")}`;
  }).join("\n");
}

/** Start `argv` in a session of its own, on no terminal. */
export function startDetached(argv: readonly string[], files?: readonly SpawnFile[]): Child {
  const nothing = { path: "/dev/null", flags: 2 };
  return new Child(spawn(argv, {
    env: { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" },
    newSession: true,
    files: files ?? [0, 1, 2].map((fd) => ({ fd, ...nothing })),
  }));
}
