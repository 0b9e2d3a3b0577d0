/** A job of several processes, on its way to another terminal with the executable. */
import { assert, assertEquals } from "@std/assert";
import { type Child, childrenOf, type ProcessHandle } from "./child.ts";
import type { SnapshotOptions } from "./leftovers.ts";
import { MovedProcesses } from "./moved_processes.ts";
import { statOf, terminalsOf } from "./on_terminal.ts";
import { reptyrPath } from "./reptyr.ts";
import type { Terminal, TerminalOptions } from "./terminal.ts";

export {
  living,
  startOnTerminal,
  statOf,
  terminalsOf,
  typeInShell,
  untilForeground,
  untilRunning,
} from "./on_terminal.ts";

export interface JobMoveOptions extends TerminalOptions {
  /** In front of the PID. */
  readonly args?: readonly string[];
  /** Runs reptyr as another user. */
  readonly prefix?: readonly string[];
  /** The target is still in its old session after the move, because it cannot leave it. */
  readonly keepsSession?: boolean;
}

/** Some processes that move together. Disposing ends them, and leaves their old terminal. */
export class MovedJob extends MovedProcesses {
  /** `pids`: those of its processes that live, in any order. */
  constructor(old: Terminal, pids: readonly number[], options: SnapshotOptions = {}) {
    super(old, pids, { snapshot: options });
  }

  handle(pid: number): ProcessHandle {
    return this.handleOf(pid);
  }

  /** Run `reptyr target` on a new terminal, which is returned: all is as moveBy() says. */
  move(
    target: number,
    { args = [], prefix = [], keepsSession = false, ...options }: JobMoveOptions = {},
  ): Terminal {
    const argv = [...prefix, reptyrPath, ...args, String(target)];
    return this.onNewTerminal(
      argv,
      options,
      (moved, start) => this.moveBy(target, moved, start, keepsSession),
    );
  }

  /**
   * `start` starts a reptyr that moves process `target` to `moved`. When this returns all of the job are there, and
   * none of them is otherwise than it was before.
   */
  moveBy(
    target: number,
    moved: Terminal,
    start: () => Child | undefined,
    keepsSession = false,
  ): void {
    const old = terminalsOf(target);
    this.moveAll(target, moved, start, keepsSession ? inItsOldSession : undefined);
    const now = terminalsOf(target);
    assert(now.every((name) => !old.includes(name)), `${target} is still on ${old}`);
    for (const pid of this.pids) {
      const elsewhere = terminalsOf(pid).filter((name) => !now.includes(name));
      assertEquals(elsewhere, [], `process ${pid} is on another terminal than ${target}`);
    }
  }

  /** Each of them is what it was before the first move, SIGHUP included: their shell has ended. */
  expectAsBefore(): void {
    this.expectOwnHangup();
    this.assertAsFirst(() => childrenOf(Deno.pid));
  }
}

/** Its descriptors lead to another terminal; its session is the old one. */
function inItsOldSession(target: number): () => boolean {
  const { session } = statOf(target);
  const old = terminalsOf(target);
  return () =>
    statOf(target).session === session && terminalsOf(target).every((name) => !old.includes(name));
}
