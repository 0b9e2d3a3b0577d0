/** Programs started on a terminal in the shapes in which users have them, and what /proc tells of them there. */
import { readFds } from "../../src/proc/fds.ts";
import { isLive, readStat, type Stat } from "../../src/proc/stat.ts";
import { descendantsOf } from "./child.ts";
import { orDispose } from "./or_dispose.ts";
import { Terminal, type TerminalOptions, waitUntil } from "./terminal.ts";

/** Leading the session of a terminal of its own; or started by an interactive shell, in the foreground. */
export const SHAPES = ["session leader", "foreground job"] as const;

export type Shape = (typeof SHAPES)[number];

export const SHELL: readonly string[] = ["bash", "--norc", "--noprofile", "-i"];

export const PROMPT = "$ ";

/** A new terminal on which `argv` leads the session, or is a job that an interactive shell has in the foreground. */
export function startOnTerminal(
  shape: Shape,
  argv: readonly string[],
  options: TerminalOptions = {},
): Terminal {
  return shape === "session leader"
    ? Terminal.start(argv, { label: "old", ...options })
    : typeInShell(argv.map(quote).join(" "), options);
}

/** A new terminal with an interactive shell that was told `line` at its first prompt. */
export function typeInShell(line: string, options: TerminalOptions = {}): Terminal {
  const terminal = startShell({ label: "old", ...options });
  return orDispose(terminal, () => {
    terminal.line(line);
    return terminal;
  });
}

/** A new terminal with an interactive shell at its first prompt. */
export function startShell(options: TerminalOptions = {}): Terminal {
  const terminal = Terminal.start(SHELL, options);
  return orDispose(terminal, () => {
    terminal.expect(PROMPT);
    return terminal;
  });
}

/**
 * Wait until the programs below the first process of `terminal`, itself counted where it is no interactive shell, are
 * `commands` by name, in the order of their starts; their PIDs.
 */
export function untilRunning(terminal: Terminal, commands: readonly string[]): number[] {
  return waitUntil(`${commands.join(", ")} to run`, () => {
    const isShell = terminal.child.pid === readStat(terminal.pid)?.session &&
      Deno.readTextFileSync(`/proc/${terminal.pid}/cmdline`).endsWith("\0-i\0");
    const stats = [...isShell ? [] : [terminal.pid], ...descendantsOf(terminal.pid)]
      .map((pid) => readStat(pid)).filter((stat) => stat !== undefined && isLive(stat))
      .sort((a, b) => Number(a!.startTime - b!.startTime) || a!.pid - b!.pid);
    const running = stats.map((stat) => stat!.comm);
    return running.join() === commands.join() ? stats.map((stat) => stat!.pid) : undefined;
  });
}

/** Wait until the process group of `pid` is in the foreground of its terminal. */
export function untilForeground(pid: number): void {
  waitUntil(`process ${pid} to be in the foreground`, () => statOf(pid).tpgid === statOf(pid).pgrp);
}

export function statOf(pid: number): Stat {
  const stat = readStat(pid);
  if (stat === undefined) throw new Error(`Process ${pid} is gone`);
  return stat;
}

/** The terminals that descriptors of `pid` are open on. */
export function terminalsOf(pid: number): string[] {
  const links = (readFds(pid, pid) ?? []).map(({ link }) => link);
  return [...new Set(links.filter((link) => /^\/dev\/(pts\/\d+|tty)/.test(link)))];
}

/** Of the processes `pids`, those that live and are no zombies. */
export function living(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    const stat = readStat(pid);
    return stat !== undefined && isLive(stat);
  });
}

/** A word for the shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
