/**
 * A program that a user wants to have on another terminal, in the shapes in which users meet one, and
 * its way there with the built executable.
 */
import { assert, assertEquals } from "@std/assert";
import { SIGHUP } from "../../src/ffi/constants.ts";
import { readFds } from "../../src/proc/fds.ts";
import { readStat, type Stat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { getTermios } from "../../src/tty/termios.ts";
import { type Child, childrenOf, ProcessHandle } from "./child.ts";
import { assertNothingLeft, type Snapshot, snapshot, type SnapshotOptions } from "./leftovers.ts";
import { orDispose } from "./or_dispose.ts";
import { reptyrPath } from "./reptyr.ts";
import { Terminal, type TerminalOptions, waitUntil } from "./terminal.ts";

/** Leading the session of a terminal of its own; or started by an interactive shell, in the foreground. */
export const SHAPES = ["session leader", "foreground job"] as const;

export type Shape = (typeof SHAPES)[number];

export const SHELL: readonly string[] = ["bash", "--norc", "--noprofile", "-i"];

export const PROMPT = "$ ";

export interface TargetOptions {
  /** Of the old terminal. */
  readonly terminal?: TerminalOptions;
  readonly snapshot?: SnapshotOptions;
  /** A signal that it catches again when it goes on after a stop: SIGTSTP, for programs that handle ^Z. */
  readonly catchesAgain?: number;
}

export interface MoveOptions extends TerminalOptions {
  /** In front of the PID. */
  readonly args?: readonly string[];
}

/** Programs that map and unmap memory as they like, and whose threads come and go. */
export const RESTLESS: SnapshotOptions = { mappings: "named", threads: false };

export class Target implements Disposable {
  readonly handle: ProcessHandle;
  readonly #options: TargetOptions;
  #before: Snapshot | undefined;
  /** Settings of each terminal it was moved to, before. */
  readonly #settings = new Map<Terminal, Uint8Array>();

  private constructor(
    /** The old terminal. Its first process is the target, or the shell that started the target. */
    readonly terminal: Terminal,
    readonly pid: number,
    options: TargetOptions,
  ) {
    this.handle = new ProcessHandle(pid);
    this.#options = options;
  }

  /** Start `argv`; it can be moved when `ready` returns, which waits for what it prints. */
  static start(
    shape: Shape,
    argv: readonly string[],
    ready: (terminal: Terminal) => void,
    options: TargetOptions = {},
  ): Target {
    if (shape === "foreground job") {
      const inForeground = (terminal: Terminal) => {
        // By then the shell has made the settings that it types with into those that programs get.
        waitUntil("the job to be in the foreground", () => {
          const job = readStat(childrenOf(terminal.pid)[0] ?? 0);
          return job !== undefined && job.tpgid === job.pgrp;
        });
        ready(terminal);
      };
      return Target.fromShell(argv.map(quote).join(" "), inForeground, options);
    }
    const terminal = Terminal.start(argv, { label: "old", ...options.terminal });
    return orDispose(terminal, () => {
      ready(terminal);
      return new Target(terminal, terminal.pid, options);
    });
  }

  /** What an interactive shell starts when `command` is typed; its only child when `ready` returns. */
  static fromShell(
    command: string,
    ready: (terminal: Terminal) => void,
    options: TargetOptions = {},
  ): Target {
    const terminal = Terminal.start(SHELL, { label: "old", ...options.terminal });
    return orDispose(terminal, () => {
      terminal.expect(PROMPT);
      terminal.line(command);
      ready(terminal);
      const pids = childrenOf(terminal.pid);
      assertEquals(pids.length, 1, `${command} is not one process`);
      const shell = readStat(terminal.pid)?.comm;
      waitUntil("the job to be no shell any more", () => readStat(pids[0]!)?.comm !== shell);
      return new Target(terminal, pids[0]!, options);
    });
  }

  /** A process that runs already, with `terminal` as the old one. */
  static of(terminal: Terminal, pid: number, options: TargetOptions = {}): Target {
    return new Target(terminal, pid, options);
  }

  /** The shell whose job it is, by its PID; `undefined` where it leads its session itself. */
  get shell(): number | undefined {
    return this.terminal.pid === this.pid ? undefined : this.terminal.pid;
  }

  get stat(): Stat {
    const stat = readStat(this.pid);
    if (stat === undefined) throw new Error(`Process ${this.pid} is gone`);
    return stat;
  }

  /**
   * Run `reptyr PID` on a new terminal, which is returned. The target is there then, in the foreground,
   * and as it was: assertNothingLeft().
   */
  move({ args = [], ...options }: MoveOptions = {}): Terminal {
    const moved = new Terminal({ label: "reptyr", ...options });
    return orDispose(moved, () => {
      this.#settings.set(moved, getTermios(moved.master).bytes);
      this.moveBy(() => moved.spawn([reptyrPath, ...args, String(this.pid)]), moved);
      return moved;
    });
  }

  /**
   * As {@linkcode move}, by a reptyr that `start` starts in whatever way, on `moved` in the end. It
   * returns that reptyr if it is a child of this program.
   */
  moveBy(start: () => Child | undefined, moved: Terminal): void {
    const before = this.#snapshot();
    this.#before ??= before;
    const oldTty = this.stat.ttyNr;
    const { ppid, session } = this.stat;
    const isShielded = ppid === this.shell && readStat(ppid)?.session === session;
    const reptyr = start();
    waitUntil(`process ${this.pid} to lead a session on another terminal`, () => {
      assert(reptyr?.status === undefined, `reptyr has ended\n${moved.describe()}`);
      const { ttyNr, session, tpgid } = this.stat;
      return ttyNr !== 0 && ttyNr !== oldTty && session === this.pid && tpgid === this.pid &&
        readStatus(this.pid)?.tracerPid === 0;
    });
    assertNothingLeft(expected(before, reptyr, isShielded));
  }

  /**
   * Wait until the target is what it was before its first move: also what it does about SIGHUP, which
   * must not reach it from its shell, which has ended. `moved` is the terminal of the reptyr that serves it.
   */
  expectAsBefore(moved: Terminal): void {
    if (this.#before === undefined) throw new Error("The target was not moved");
    const { facts } = this.#before;
    const ourChildren = facts.ourChildren.filter((pid) => pid !== this.shell);
    const before = { ...this.#before, facts: { ...facts, ourChildren } };
    assertNothingLeft(expected(before, moved.child, false));
  }

  /**
   * Wait until the reptyr of {@linkcode move}, which `moved` shows, ends with the exit status `status`.
   * By then the target has ended, and nothing of reptyr is left on that terminal.
   */
  expectEnd(moved: Terminal, status: number): void {
    assertEquals(moved.expectExit(), { kind: "exited", status }, moved.describe());
    assert(this.handle.ended, `Process ${this.pid} outlives its reptyr`);
    moved.expectEof();
    assertEquals(getTermios(moved.master).bytes, this.#settings.get(moved), "terminal settings");
  }

  #snapshot(): Snapshot {
    const { snapshot: options, catchesAgain } = this.#options;
    const before = snapshot(this.pid, options);
    if (catchesAgain === undefined) return before;
    const caught = BigInt(`0x${before.facts.caught}`) | (1n << BigInt(catchesAgain - 1));
    return { ...before, facts: { ...before.facts, caught: caught.toString(16) } };
  }

  /** End the target, if it has not ended, and all on its old terminal. */
  [Symbol.dispose](): void {
    using stack = new DisposableStack();
    stack.use(this.terminal);
    stack.use(this.handle);
    this.handle.end();
  }
}

/** No process and no terminal of this program is left: for afterEach. */
export function assertNoneLeft(): void {
  assertEquals(childrenOf(Deno.pid), [], "children");
  const masters = (readFds(Deno.pid, Deno.pid) ?? []).filter(({ fdinfo }) =>
    fdinfo.ttyIndex !== undefined
  );
  assertEquals(masters, [], "terminals");
}

/** `before`, with what is different while a reptyr serves the target: itself, and the ignored SIGHUP. */
function expected(before: Snapshot, reptyr: Child | undefined, isShielded: boolean): Snapshot {
  const { facts } = before;
  const hangup = 1n << BigInt(SIGHUP - 1);
  const ignored = BigInt(`0x${facts.ignored}`);
  const caught = BigInt(`0x${facts.caught}`);
  return {
    ...before,
    facts: {
      ...facts,
      ignored: (isShielded ? ignored | hangup : ignored).toString(16),
      caught: (isShielded ? caught & ~hangup : caught).toString(16),
      threads: facts.threads?.map((thread) => thread.replace(": T,", ": goes on,")),
      ourChildren: [...facts.ourChildren, ...reptyr === undefined ? [] : [reptyr.pid]].sort(),
    },
  };
}

/** A word for the shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
