/**
 * What a move of one process and a move of several have in common: what they were before, the run of the executable,
 * what they must be afterwards, and their end. Target and MovedJob say what is to be moved.
 */
import { assert, assertEquals } from "@std/assert";
import { SIGHUP } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { getTermios } from "../../src/tty/termios.ts";
import { type Child, ProcessHandle } from "./child.ts";
import { assertNothingLeft, type Snapshot, snapshot, type SnapshotOptions } from "./leftovers.ts";
import { statOf } from "./on_terminal.ts";
import { orDispose } from "./or_dispose.ts";
import { Terminal, type TerminalOptions, waitUntil } from "./terminal.ts";

/** Programs that map and unmap memory as they like, and whose threads come and go. */
export const RESTLESS: SnapshotOptions = { mappings: "named", threads: false };

export interface MovedOptions {
  readonly snapshot?: SnapshotOptions;
  /** A signal that is caught again when a process goes on after a stop: SIGTSTP, for programs that handle ^Z. */
  readonly catchesAgain?: number;
  /** Processes that are stopped before the move run after it. */
  readonly continues?: boolean;
}

/** Takes down where `target` is, before a move; its result tells whether `target` has arrived. */
export type Arrival = (target: number) => () => boolean;

export abstract class MovedProcesses implements Disposable {
  readonly #handles: ReadonlyMap<number, ProcessHandle>;
  readonly #options: MovedOptions;
  /** What they were before the first move. */
  #first: readonly Snapshot[] = [];
  /** Settings of each terminal they were moved to, before. */
  readonly #settings = new Map<Terminal, Uint8Array>();

  /** `pids`: live processes, in any order. */
  protected constructor(
    /** The old terminal. */
    readonly old: Terminal,
    readonly pids: readonly number[],
    options: MovedOptions,
  ) {
    this.#handles = new Map(pids.map((pid) => [pid, new ProcessHandle(pid)]));
    this.#options = options;
  }

  protected handleOf(pid: number): ProcessHandle {
    return this.#handles.get(pid)!;
  }

  /** A new terminal on which `move` has a reptyr do its work: `argv`, when it calls `start`. */
  protected onNewTerminal(
    argv: readonly string[],
    options: TerminalOptions,
    move: (moved: Terminal, start: () => Child) => void,
  ): Terminal {
    const moved = new Terminal({ label: "reptyr", ...options });
    return orDispose(moved, () => {
      move(moved, () => moved.spawn(argv));
      return moved;
    });
  }

  /**
   * `start` starts a reptyr that moves process `target` to `moved`, in whatever way; it returns that reptyr if it is
   * a child of this program. When this returns, `target` has arrived and none of the processes is otherwise than it
   * was before, but for what serving needs.
   */
  protected moveAll(
    target: number,
    moved: Terminal,
    start: () => Child | undefined,
    arrival: Arrival = leadingItsSession,
  ): void {
    const before = this.pids.map((pid) => this.#snapshot(pid));
    if (this.#first.length === 0) this.#first = before;
    const shielded = shieldedMembers(target, this.pids);
    const hasArrived = arrival(target);
    this.#settings.set(moved, getTermios(moved.master).bytes);
    const reptyr = start();
    waitUntil(`process ${target} to be moved`, () => {
      assert(reptyr?.status === undefined, `reptyr has ended\n${moved.describe()}`);
      return hasArrived() && this.pids.every((pid) => readStatus(pid)?.tracerPid === 0);
    });
    for (const one of before) {
      const isShielded = shielded.includes(one.pid);
      const expected = this.#continued(isShielded ? withShield(one) : one);
      const { ourChildren } = expected.facts;
      const ours = reptyr === undefined ? ourChildren : [...ourChildren, reptyr.pid];
      assertNothingLeft(withChildren(expected, ours));
    }
  }

  /**
   * Wait until each process is what it was before the first move: also what it does about SIGHUP, which must not
   * reach it from its shell, which has ended. `ourChildren`: those of this program now, from those of then.
   */
  protected assertAsFirst(ourChildren: (then: readonly number[]) => readonly number[]): void {
    if (this.#first.length === 0) throw new Error("Nothing was moved");
    for (const before of this.#first) {
      assertNothingLeft(
        this.#continued(withChildren(before, ourChildren(before.facts.ourChildren))),
      );
    }
  }

  /** Wait until what they do about SIGHUP is what it was before the first move: their shell has ended. */
  expectOwnHangup(): void {
    for (const { pid, facts } of this.#first) {
      waitUntil(`process ${pid} to do about SIGHUP what it did`, () => {
        const status = readStatus(pid);
        return status?.sigIgnored.toString(16) === facts.ignored &&
          status.sigCaught.toString(16) === facts.caught;
      });
    }
  }

  assertAlive(): void {
    for (const [pid, handle] of this.#handles) assert(!handle.ended, `Process ${pid} has ended`);
  }

  /**
   * Wait until the reptyr that `moved` shows ends with the exit status `status`. By then all processes have ended,
   * nothing of reptyr is left on that terminal, and its settings are as they were.
   */
  expectEnd(moved: Terminal, status: number): void {
    assertEquals(moved.expectExit(), { kind: "exited", status }, moved.describe());
    for (const [pid, handle] of this.#handles) {
      assert(handle.ended, `Process ${pid} outlives its reptyr`);
    }
    moved.expectEof();
    assertEquals(getTermios(moved.master).bytes, this.#settings.get(moved), "terminal settings");
  }

  #snapshot(pid: number): Snapshot {
    const { snapshot: options, catchesAgain } = this.#options;
    const before = snapshot(pid, options);
    if (catchesAgain === undefined) return before;
    const caught = BigInt(`0x${before.facts.caught}`) | signalBit(catchesAgain);
    return { ...before, facts: { ...before.facts, caught: caught.toString(16) } };
  }

  #continued(before: Snapshot): Snapshot {
    if (this.#options.continues !== true) return before;
    const threads = before.facts.threads?.map((thread) => thread.replace(": T,", ": goes on,"));
    return { ...before, facts: { ...before.facts, threads } };
  }

  /** End the processes that have not ended, and wait for their end. */
  [Symbol.dispose](): void {
    using stack = new DisposableStack();
    // A process whose parent has ended is nobody's descendant: no terminal ends it.
    for (const handle of this.#handles.values()) stack.use(handle);
    for (const handle of this.#handles.values()) handle.end();
    for (const [pid, handle] of this.#handles) {
      // The children of the test itself are reaped by their terminal.
      if (pid !== this.old.pid) {
        assert(handle.waitForEnd(20_000), `Process ${pid} survives SIGKILL`);
      }
    }
  }
}

/** On another terminal, as the leader of its session, and with the same process group in the foreground if it led one. */
function leadingItsSession(target: number): () => boolean {
  const before = statOf(target);
  const foreground = before.session === target && before.tpgid > 0 ? before.tpgid : target;
  return () => {
    const { ttyNr, session, tpgid } = statOf(target);
    return ttyNr !== 0 && ttyNr !== before.ttyNr && session === target && tpgid === foreground;
  };
}

/**
 * The processes that would get a SIGHUP at the end of the shell of `target`'s job: those that keep the number that it
 * knows the job by, and those that stay in its session.
 */
function shieldedMembers(target: number, pids: readonly number[]): number[] {
  const { pgrp, session } = statOf(target);
  const group = pids.filter((pid) => statOf(pid).pgrp === pgrp);
  const hasShell = group.some((pid) => {
    const parent = readStat(statOf(pid).ppid);
    return parent?.session === session && parent.pgrp !== pgrp;
  });
  if (session === target || !hasShell) return [];
  return group.filter((pid) => pid !== target || pgrp === target);
}

/** `before`, with SIGHUP ignored. */
function withShield(before: Snapshot): Snapshot {
  const { facts } = before;
  const hangup = signalBit(SIGHUP);
  const ignored = (BigInt(`0x${facts.ignored}`) | hangup).toString(16);
  const caught = (BigInt(`0x${facts.caught}`) & ~hangup).toString(16);
  return { ...before, facts: { ...facts, ignored, caught } };
}

function withChildren(before: Snapshot, pids: readonly number[]): Snapshot {
  return { ...before, facts: { ...before.facts, ourChildren: pids.toSorted() } };
}

function signalBit(signal: number): bigint {
  return 1n << BigInt(signal - 1);
}
