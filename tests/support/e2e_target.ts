/** A program that a user wants to have on another terminal, and its way there with the built executable. */
import { assertEquals } from "@std/assert";
import { readStat, type Stat } from "../../src/proc/stat.ts";
import { type Child, childrenOf, type ProcessHandle } from "./child.ts";
import { type MovedOptions, MovedProcesses } from "./moved_processes.ts";
import { type Shape, startOnTerminal, statOf, typeInShell } from "./on_terminal.ts";
import { orDispose } from "./or_dispose.ts";
import { reptyrPath } from "./reptyr.ts";
import { type Terminal, type TerminalOptions, waitUntil } from "./terminal.ts";

export { assertNoneLeft } from "./leftovers.ts";
export { RESTLESS } from "./moved_processes.ts";
export { PROMPT, type Shape, SHAPES, SHELL } from "./on_terminal.ts";

export interface TargetOptions extends Omit<MovedOptions, "continues"> {
  /** Of the old terminal. */
  readonly terminal?: TerminalOptions;
}

export interface MoveOptions extends TerminalOptions {
  /** In front of the PID. */
  readonly args?: readonly string[];
}

/** One process that moves. Disposing ends it, and all on its old terminal. */
export class Target extends MovedProcesses {
  private constructor(terminal: Terminal, readonly pid: number, options: TargetOptions) {
    super(terminal, [pid], { ...options, continues: true });
  }

  /** Start `argv`; it can be moved when `ready` returns, which waits for what it prints. */
  static start(
    shape: Shape,
    argv: readonly string[],
    ready: (terminal: Terminal) => void,
    options: TargetOptions = {},
  ): Target {
    const terminal = startOnTerminal(shape, argv, options.terminal);
    return orDispose(terminal, () => {
      if (shape === "session leader") {
        ready(terminal);
        return new Target(terminal, terminal.pid, options);
      }
      // By then the shell has made the settings that it types with into those that programs get.
      waitUntil("the job to be in the foreground", () => {
        const job = readStat(childrenOf(terminal.pid)[0] ?? 0);
        return job !== undefined && job.tpgid === job.pgrp;
      });
      ready(terminal);
      return new Target(terminal, onlyJobOf(terminal, argv.join(" ")), options);
    });
  }

  /** What an interactive shell starts when `command` is typed; its only child when `ready` returns. */
  static fromShell(
    command: string,
    ready: (terminal: Terminal) => void,
    options: TargetOptions = {},
  ): Target {
    const terminal = typeInShell(command, options.terminal);
    return orDispose(terminal, () => {
      ready(terminal);
      return new Target(terminal, onlyJobOf(terminal, command), options);
    });
  }

  /** A process that runs already, with `terminal` as the old one. */
  static of(terminal: Terminal, pid: number, options: TargetOptions = {}): Target {
    return new Target(terminal, pid, options);
  }

  /** The old terminal. Its first process is the target, or the shell that started the target. */
  get terminal(): Terminal {
    return this.old;
  }

  get handle(): ProcessHandle {
    return this.handleOf(this.pid);
  }

  /** The shell whose job it is, by its PID; `undefined` where it leads its session itself. */
  get shell(): number | undefined {
    return this.terminal.pid === this.pid ? undefined : this.terminal.pid;
  }

  get stat(): Stat {
    return statOf(this.pid);
  }

  /**
   * Run `reptyr PID` on a new terminal, which is returned. The target is there then, in the foreground,
   * and as it was: assertNothingLeft().
   */
  move({ args = [], ...options }: MoveOptions = {}): Terminal {
    const argv = [reptyrPath, ...args, String(this.pid)];
    return this.onNewTerminal(argv, options, (moved, start) => this.moveBy(start, moved));
  }

  /** As {@linkcode move}, by a reptyr that `start` starts on `moved`, if it is a child of this program returned. */
  moveBy(start: () => Child | undefined, moved: Terminal): void {
    this.moveAll(this.pid, moved, start);
  }

  /** Wait until the target is what it was before its first move. `moved` is the terminal of the reptyr that serves it. */
  expectAsBefore(moved: Terminal): void {
    this.assertAsFirst((then) => [...then.filter((pid) => pid !== this.shell), moved.child.pid]);
  }

  /** End the target, if it has not ended, and all on its old terminal. */
  override [Symbol.dispose](): void {
    using stack = new DisposableStack();
    stack.use(this.terminal);
    super[Symbol.dispose]();
  }
}

/** The only child of the shell on `terminal`, once it executes a program of its own. */
function onlyJobOf(terminal: Terminal, command: string): number {
  const pids = childrenOf(terminal.pid);
  assertEquals(pids.length, 1, `${command} is not one process`);
  const shell = readStat(terminal.pid)?.comm;
  waitUntil("the job to be no shell any more", () => readStat(pids[0]!)?.comm !== shell);
  return pids[0]!;
}
