/** A job of several processes, on its way to another terminal with the executable. */
import { assert, assertEquals } from "@std/assert";
import { SIGHUP } from "../../src/ffi/constants.ts";
import { readFds } from "../../src/proc/fds.ts";
import { isLive, readStat, type Stat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { getTermios } from "../../src/tty/termios.ts";
import { type Child, childrenOf, descendantsOf, ProcessHandle } from "./child.ts";
import { PROMPT, type Shape, SHELL } from "./e2e_target.ts";
import { assertNothingLeft, type Snapshot, snapshot, type SnapshotOptions } from "./leftovers.ts";
import { orDispose } from "./or_dispose.ts";
import { reptyrPath } from "./reptyr.ts";
import { Terminal, type TerminalOptions, waitUntil } from "./terminal.ts";

/** A new terminal on which `argv` leads the session, or is a job that an interactive shell has in the foreground. */
export function startOnTerminal(shape: Shape, argv: readonly string[]): Terminal {
  return shape === "session leader"
    ? Terminal.start(argv, { label: "old" })
    : typeInShell(argv.map((word) => `'${word}'`).join(" "));
}

/** A new terminal with an interactive shell that was told `line`. */
export function typeInShell(line: string): Terminal {
  const terminal = Terminal.start(SHELL, { label: "old" });
  return orDispose(terminal, () => {
    terminal.expect(PROMPT);
    terminal.line(line);
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

/** Wait until process group of `pid` is in the foreground of its terminal. */
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

/** Some processes that move together. Disposing ends them. */
export class MovedJob implements Disposable {
  readonly #handles: Map<number, ProcessHandle>;
  readonly #settings = new Map<Terminal, Uint8Array>();
  #first: readonly Snapshot[] = [];

  /** `pids`: those of its processes that live, in any order. */
  constructor(
    readonly old: Terminal,
    readonly pids: readonly number[],
    readonly options: SnapshotOptions = {},
  ) {
    this.#handles = new Map(pids.map((pid) => [pid, new ProcessHandle(pid)]));
  }

  handle(pid: number): ProcessHandle {
    return this.#handles.get(pid)!;
  }

  /** Run `reptyr target` on a new terminal, which is returned: all is as moveBy() says. */
  move(
    target: number,
    { args = [], prefix = [], stays = false, ...options }: TerminalOptions & {
      readonly args?: readonly string[];
      /** Runs reptyr as another user. */
      readonly prefix?: readonly string[];
      readonly stays?: boolean;
    } = {},
  ) {
    const moved = new Terminal({ label: "reptyr", ...options });
    return orDispose(moved, () => {
      const argv = [...prefix, reptyrPath, ...args, String(target)];
      this.moveBy(target, moved, () => moved.spawn(argv), stays);
      return moved;
    });
  }

  /**
   * `start` starts a reptyr that moves process `target` to `moved`. When this returns all of the job are there, and
   * none of them is otherwise than it was before. `stays`: the target is still in its old session.
   */
  moveBy(
    target: number,
    moved: Terminal,
    start: () => Child | undefined,
    stays = false,
  ): void {
    const before = this.pids.map((pid) => snapshot(pid, this.options));
    if (this.#first.length === 0) this.#first = before;
    const shielded = shieldedMembers(target, this.pids);
    const stat = statOf(target);
    const foreground = stat.session === target && stat.tpgid > 0 ? stat.tpgid : target;
    const old = terminalsOf(target);
    this.#settings.set(moved, getTermios(moved.master).bytes);
    const reptyr = start();
    const ended = () =>
      assert(reptyr?.status === undefined, `reptyr has ended\n${moved.describe()}`);
    waitUntil(`process ${target} to lead a session on another terminal`, () => {
      ended();
      const { ttyNr, session, tpgid } = statOf(target);
      if (stays) {
        return session === stat.session && terminalsOf(target).every((name) =>
          !old.includes(name)
        ) && this.pids.every((pid) => readStatus(pid)?.tracerPid === 0);
      }
      return ttyNr !== 0 && ttyNr !== stat.ttyNr && session === target && tpgid === foreground &&
        this.pids.every((pid) => readStatus(pid)?.tracerPid === 0);
    });
    const now = terminalsOf(target);
    assert(now.every((name) => !old.includes(name)), `${target} is still on ${old}`);
    for (const pid of this.pids) {
      const strays = terminalsOf(pid).filter((name) => !now.includes(name));
      assertEquals(strays, [], `process ${pid} is on another terminal than ${target}`);
    }
    for (const one of before) assertNothingLeft(served(one, reptyr, shielded.includes(one.pid)));
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

  /** Each of them is what it was before the first move, SIGHUP included: their shell has ended. */
  expectAsBefore(): void {
    this.expectOwnHangup();
    for (const before of this.#first) {
      const ourChildren = childrenOf(Deno.pid).sort();
      assertNothingLeft({ ...before, facts: { ...before.facts, ourChildren } });
    }
  }

  assertAlive(): void {
    for (const pid of this.pids) assert(!this.handle(pid).ended, `Process ${pid} has ended`);
  }

  /** The reptyr of move() ends with `status`. By then all have ended, and `moved` is as it was before. */
  expectEnd(moved: Terminal, status: number): void {
    assertEquals(moved.expectExit(), { kind: "exited", status }, moved.describe());
    for (const [pid, handle] of this.#handles) {
      assert(handle.ended, `Process ${pid} outlives reptyr`);
    }
    moved.expectEof();
    assertEquals(getTermios(moved.master).bytes, this.#settings.get(moved), "terminal settings");
  }

  [Symbol.dispose](): void {
    using stack = new DisposableStack();
    // Those whose parent has ended are nobody's descendants.
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

/**
 * The processes that would get a SIGHUP at the end of the shell of `target`'s job: those that keep the number that it knows the job
 * by, and those that stay in its session.
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

/** `before`, with what is different while a reptyr serves the job. */
function served(before: Snapshot, reptyr: Child | undefined, isShielded: boolean): Snapshot {
  const { facts } = before;
  const hangup = 1n << BigInt(SIGHUP - 1);
  const ignored = BigInt(`0x${facts.ignored}`) | (isShielded ? hangup : 0n);
  const caught = BigInt(`0x${facts.caught}`) & (isShielded ? ~hangup : -1n);
  const ours = [...facts.ourChildren, ...reptyr === undefined ? [] : [reptyr.pid]].sort();
  return {
    ...before,
    facts: {
      ...facts,
      ignored: ignored.toString(16),
      caught: caught.toString(16),
      ourChildren: ours,
    },
  };
}

/** Of the processes `pids`, those that live and are no zombies. */
export function living(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    const stat = readStat(pid);
    return stat !== undefined && isLive(stat);
  });
}
