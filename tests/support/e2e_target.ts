/**
 * A program that a user wants to have on another terminal, in the shapes in which users meet one, and
 * its way there with the built executable.
 */
import { assert, assertEquals } from "@std/assert";
import { SIGHUP } from "../../src/ffi/constants.ts";
import { readStat, type Stat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { getTermios } from "../../src/tty/termios.ts";
import { childrenOf, ProcessHandle } from "./child.ts";
import { assertNothingLeft, type Snapshot, snapshot, type SnapshotOptions } from "./leftovers.ts";
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
}

export interface MoveOptions extends TerminalOptions {
  /** In front of the PID. */
  readonly args?: readonly string[];
}

/** Programs that map and unmap memory as they like, and whose threads come and go. */
export const RESTLESS: SnapshotOptions = { mappings: "named", threads: false };

export class Target implements Disposable {
  readonly handle: ProcessHandle;
  readonly #snapshotOptions: SnapshotOptions;

  private constructor(
    /** The old terminal. Its first process is the target, or the shell that started the target. */
    readonly terminal: Terminal,
    readonly pid: number,
    options: TargetOptions,
  ) {
    this.handle = new ProcessHandle(pid);
    this.#snapshotOptions = options.snapshot ?? {};
  }

  /** Start `argv`; it can be moved when `ready` returns, which waits for what it prints. */
  static start(
    shape: Shape,
    argv: readonly string[],
    ready: (terminal: Terminal) => void,
    options: TargetOptions = {},
  ): Target {
    if (shape === "foreground job") return Target.fromShell(argv.map(quote).join(" "), ready, options);
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
  move({ args = [], ...terminal }: MoveOptions = {}): Terminal {
    const before = snapshot(this.pid, this.#snapshotOptions);
    const argv = [reptyrPath, ...args, String(this.pid)];
    const moved = Terminal.start(argv, { label: "reptyr", ...terminal });
    return orDispose(moved, () => {
      this.waitUntilMoved(moved, before);
      return moved;
    });
  }

  /** Wait until the target, of which `before` tells, is on the pty of the reptyr that runs on `moved`. */
  waitUntilMoved(moved: Terminal, before: Snapshot): void {
    const shell = this.shell;
    const isShielded = shell !== undefined && readStat(shell) !== undefined;
    const oldTty = this.stat.ttyNr;
    waitUntil(`process ${this.pid} to lead a session on another terminal`, () => {
      assert(moved.child.status === undefined, `reptyr has ended\n${moved.describe()}`);
      const { ttyNr, session, tpgid } = this.stat;
      return ttyNr !== 0 && ttyNr !== oldTty && session === this.pid && tpgid === this.pid &&
        readStatus(this.pid)?.tracerPid === 0;
    });
    assertNothingLeft(withReptyr(before, moved.pid, isShielded));
  }

  /**
   * Wait until reptyr, which `moved` shows, ends with the exit status `status`; by then the target has
   * ended, and of reptyr nothing is left on that terminal.
   */
  expectEnd(moved: Terminal, status: number): void {
    assertEquals(moved.expectExit(), { kind: "exited", status }, moved.describe());
    assert(this.handle.ended, `Process ${this.pid} outlives its reptyr`);
    moved.expectEof();
    const { master } = new Terminal()[Symbol.dispose]() ?? moved;
    void getTermios(master);
  }

  /** End the target, if it has not ended, and its old terminal. */
  [Symbol.dispose](): void {
    using stack = new DisposableStack();
    stack.use(this.terminal);
    stack.use(this.handle);
    this.handle.end();
  }
}
