/** A terminal taken by `reptyr -T`, and the emulators it is taken from. */
import { assert, assertEquals } from "@std/assert";
import { type Descriptor, readFds } from "../../src/proc/fds.ts";
import { readStat } from "../../src/proc/stat.ts";
import { type RunOptions, settingsOf, startOn } from "./input_run.ts";
import { victim } from "./programs.ts";
import { Terminal, waitUntil } from "./terminal.ts";

/** A shell as a terminal's only program: its prompt is `$ `. */
export const BASH: readonly string[] = ["bash", "--norc", "--noprofile", "-i"];

/** A reptyr that has taken a terminal, and serves it. */
export class Stolen implements Disposable {
  private constructor(readonly terminal: Terminal, readonly settings: string) {}

  /** Take the terminal that process `pid` is on. */
  static from(pid: number, { args = [], ...options }: RunOptions & { args?: string[] } = {}) {
    const { terminal, settings } = startOn(["-T", "-V", ...args, pid], options);
    using stack = new DisposableStack();
    stack.use(terminal);
    waitUntil("reptyr to serve the terminal", () => {
      assert(terminal.child.status === undefined, `reptyr has ended\n${terminal.describe()}`);
      return terminal.output.includes("Serving /dev/pts/");
    });
    terminal.expect(/Serving .*\r\n/);
    stack.move();
    return new Stolen(terminal, settings);
  }

  /** The PID of the reptyr that serves it. */
  get pid(): number {
    return this.terminal.pid;
  }

  /** What the shell on it answers to `command`. */
  ask(command: string, answer: string | RegExp): RegExpExecArray {
    this.terminal.line(command);
    return this.terminal.expect(answer);
  }

  /** reptyr ends with `status`, and its user's terminal is as it was. */
  expectEnd(status: number): void {
    assertEquals(this.terminal.expectExit(), { kind: "exited", status }, this.terminal.describe());
    assertEquals(settingsOf(this.terminal), this.settings, "The terminal is not as it was");
    this.terminal.expectEof();
  }

  [Symbol.dispose](): void {
    this.terminal[Symbol.dispose]();
  }
}

export type Way = "poll" | "select" | "epoll" | "thread" | "fork" | "vfork";

/** tests/victims/steal_emulator.c with a shell on its terminal, which has given its prompt. */
export class Emulator implements Disposable {
  private constructor(readonly window: Terminal, readonly shell: number) {}

  static start(way: Way, prefix: readonly string[] = [], program = BASH): Emulator {
    const path = victim("steal_emulator", ["-lutil"]);
    const window = Terminal.start([...prefix, path, way, ...program], {
      label: `emulator: ${way}`,
    });
    using stack = new DisposableStack();
    stack.use(window);
    const [, , shell] = window.expect(/emulator (\d+) runs (\d+)/);
    window.expect("$ ");
    stack.move();
    return new Emulator(window, Number(shell));
  }

  /** Descriptors on pty masters, of the emulator and of what it has forked to help it. */
  mastersOf(pid: number): Descriptor[] {
    return mastersOf(pid);
  }

  [Symbol.dispose](): void {
    this.window[Symbol.dispose]();
  }
}

export function mastersOf(pid: number): Descriptor[] {
  return (readFds(pid, pid) ?? []).filter(({ fdinfo }) => fdinfo.ttyIndex !== undefined);
}

/** Wait until a process has been asleep, without having run, for some looks: it waits for something. */
export function untilIdle(pid: number): void {
  let before = "";
  let same = 0;
  waitUntil(`process ${pid} to wait`, () => {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    const now = status.match(/^(non)?voluntary_ctxt_switches:.*$/gm)?.join(" ") ?? "";
    same = now === before && readStat(pid)?.state === "S" ? same + 1 : 0;
    before = now;
    return same >= 10;
  });
}
