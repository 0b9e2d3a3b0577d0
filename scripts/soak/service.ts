/** One reptyr on a terminal of its own, however it is started, and how that ended. */
import { SIGKILL } from "../../src/ffi/constants.ts";
import { pidfdOpen, pidfdSendSignal, usleep } from "../../src/ffi/process.ts";
import { close } from "../../src/ffi/descriptor.ts";
import { childrenOf, descendantsOf } from "../../tests/support/child.ts";
import { linesOf, settingsOf, WIDE } from "../../tests/support/input_run.ts";
import { reptyrPath } from "../../tests/support/reptyr.ts";
import { Terminal } from "../../tests/support/terminal.ts";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";

/** Deno runs it from its sources. */
const RUNS_REPTYR = /^(reptyr|deno)$/;

export interface ServiceOptions {
  /** What runs reptyr with its arguments: itself, or a program that makes it fail. */
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class Service implements Disposable {
  readonly terminal: Terminal;
  readonly #settings: string;
  /** Whether another program runs it: as its child, or in its own place. */
  readonly isStranger: boolean;
  readonly #isWrapped: boolean;

  constructor(target: number, { argv = [reptyrPath], env = {} }: ServiceOptions = {}) {
    this.terminal = new Terminal({ ...WIDE, env: { ...WIDE.env, ...env } });
    this.#settings = settingsOf(this.terminal);
    this.isStranger = argv[0] !== reptyrPath;
    this.#isWrapped = this.isStranger && argv[0] !== Deno.execPath();
    try {
      this.terminal.spawn([...argv, String(target)]);
    } catch (error) {
      this.terminal[Symbol.dispose]();
      throw error;
    }
  }

  get hasEnded(): boolean {
    return this.terminal.child.status !== undefined;
  }

  /** The PID of reptyr; undefined before it runs and once it has ended. */
  get pid(): number | undefined {
    if (this.hasEnded) return undefined;
    const pid = this.#isWrapped ? childrenOf(this.terminal.pid)[0] : this.terminal.pid;
    // What runs it may rely upon signals that it sends to its child.
    return pid !== undefined && RUNS_REPTYR.test(readStat(pid)?.comm ?? "") ? pid : undefined;
  }

  /** What it said first, warnings apart, without its name. */
  get message(): string {
    const lines = linesOf(this.terminal.output)
      .filter((line) => line.startsWith("reptyr: ") && !line.startsWith("reptyr: warning: "));
    return (lines[0] ?? this.terminal.output.slice(-200)).replace(/^reptyr: /, "");
  }

  /** Whether it traces `pid`, or one of its threads does. */
  isTracing(pid: number): boolean {
    const tracer = readStatus(pid)?.tracerPid ?? 0;
    return tracer !== 0 && tracer === this.pid;
  }

  signal(signal: number): void {
    const { pid } = this;
    if (pid === undefined) return;
    const pidfd = pidfdOpen(pid);
    if (pidfd < 0) return;
    // Ours as long as its parent has not reaped it.
    if (pid === this.terminal.pid || descendantsOf(this.terminal.pid).includes(pid)) {
      pidfdSendSignal(pidfd, signal);
    }
    close(pidfd);
  }

  /** Kill it in `microseconds`, from when it first traces `target` on. */
  killWithin(target: number, microseconds: number): void {
    const end = performance.now() + 10_000;
    while (!this.hasEnded && !this.isTracing(target) && performance.now() < end) usleep(100);
    usleep(microseconds);
    this.signal(SIGKILL);
  }

  /** What is wrong with how it ended: `status` is that of an end of its own accord, and its terminal is as it was. */
  wrongEnd(status: number | undefined): string[] {
    const ended = this.terminal.expectExit();
    const wrong = ended.kind !== "exited" || (status !== undefined && ended.status !== status);
    const settings = settingsOf(this.terminal);
    return [
      ...wrong ? [`reptyr ended with ${JSON.stringify(ended)}: ${this.message}`] : [],
      ...settings === this.#settings ? [] : ["wrong settings of reptyr's own terminal"],
    ];
  }

  [Symbol.dispose](): void {
    this.terminal[Symbol.dispose]();
  }
}
