/** reptyr run to its end, and what it said; and a target shown to be what it was before. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { readFds } from "../../src/proc/fds.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { listTids } from "../../src/proc/tasks.ts";
import { getTermios } from "../../src/tty/termios.ts";
import { Child, childrenOf } from "./child.ts";
import { spawn, type SpawnFile } from "../../src/ffi/spawn.ts";
import { reptyrPath } from "./reptyr.ts";
import { Terminal, type TerminalOptions, waitUntil } from "./terminal.ts";

/** Of Debian's `nobody`; every system has the number. */
export const NOBODY = 65534;

/** What runs the words after it as that user, with no capability and no further group. */
export const AS_NOBODY: readonly string[] = [
  "setpriv",
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  "--clear-groups",
];

/** Whether the tests may become another user, and make namespaces. */
export const isRoot = Deno.uid() === 0;

/** The level of kernel.yama.ptrace_scope; 0 in a kernel without Yama, where nothing more is forbidden. */
export const yamaLevel: number = (() => {
  try {
    return Number(Deno.readTextFileSync("/proc/sys/kernel/yama/ptrace_scope"));
  } catch {
    return 0;
  }
})();

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
  try {
    if (owner !== undefined) Deno.chownSync(terminal.device, owner, null);
    const settings = settingsOf(terminal);
    terminal.spawn([...prefix, reptyrPath, ...args.map(String)]);
    return { terminal, settings };
  } catch (error) {
    terminal[Symbol.dispose]();
    throw error;
  }
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
 * Run `reptyr ARGS`, which must fail with exit status `status` and one message. Returns its lines: the
 * first without `reptyr: `, the others without what they are indented by.
 */
export function refused(
  args: readonly (string | number)[],
  options: RunOptions & { readonly status?: number } = {},
): string[] {
  const { terminal, settings } = startOn(args, options);
  using _ = terminal;
  const ended = terminal.expectExit();
  const lines = linesOf(terminal.output);
  assertEquals(ended, { kind: "exited", status: options.status ?? 1 }, terminal.output);
  assertMessage(lines);
  assertEquals(settingsOf(terminal), settings, "The user's terminal is not as it was");
  return lines.map((line) => line.replace(/^reptyr: |^ {2}/, ""));
}

/** Asserts that a process is what it was when this was made. */
export class Untouched {
  readonly #before: string;

  /** Waits until it runs the program `command`, if given, and has come to wait for something. */
  constructor(readonly pid: number, command?: string) {
    waitUntil(`process ${pid} to wait`, () => {
      const stat = readStat(pid);
      return stat !== undefined && stat.state !== "R" && (command ?? stat.comm) === stat.comm;
    });
    this.#before = describeProcess(pid);
  }

  /** At once, but for a stopped process's way back into its stop. */
  assert(): void {
    try {
      waitUntil("the old state", () => describeProcess(this.pid) === this.#before, {
        timeoutMs: 5000,
      });
    } catch {
      assertEquals(describeProcess(this.pid), this.#before, `Process ${this.pid} was touched`);
    }
  }
}

/** Everything that a move changes or might leave behind, as text. */
function describeProcess(pid: number): string {
  const stat = readStat(pid);
  if (stat === undefined) return `Process ${pid} is gone`;
  const tids = listTids(pid) ?? [];
  const lines = [
    `command ${stat.comm}, parent ${stat.ppid}, group ${stat.pgrp}, session ${stat.session}`,
    `terminal ${stat.ttyNr}, its foreground ${stat.tpgid}, started ${stat.startTime}`,
    `children ${childrenOf(pid).join(" ")}`,
  ];
  for (const tid of tids) {
    const status = readStatus(pid, tid);
    const state = readStat(pid, tid)?.state ?? "gone";
    lines.push(
      `thread ${tid} ${/[RSD]/.test(state) ? "goes on" : state}`,
      `TracerPid ${status?.tracerPid}`,
      ...[status?.sigPending, status?.sharedPending, status?.sigBlocked, status?.sigIgnored]
        .map((set) => `signals ${set?.toString(16)}`),
      `caught ${status?.sigCaught.toString(16)}, seccomp ${status?.seccomp}`,
    );
  }
  for (const { fd, link, dev, ino, rdev, fdinfo } of readFds(pid, tids[0] ?? pid) ?? []) {
    const epoll = fdinfo.epoll.map(({ tfd, events, data }) => `${tfd}:${events}:${data}`);
    lines.push(`fd ${fd} ${link} ${dev} ${ino} ${rdev} ${fdinfo.flags} ${epoll.join(" ")}`);
  }
  const maps = Deno.readTextFileSync(`/proc/${pid}/maps`).trim().split("\n");
  // The kernel grows the stack whenever it likes.
  lines.push(...maps.map((line) => line.endsWith("[stack]") ? "[stack]" : line));
  return lines.join("\n");
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
