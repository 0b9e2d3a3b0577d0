/** Where the steps of a move are among the calls of reptyr, as a move that nothing happens to shows: by what they do, not by a count. */
import { x86_64 } from "../../src/arch/x86_64.ts";
import type { SyscallName } from "../../src/arch/arch.ts";
import type { Fault } from "./fault_injection.ts";
import { LogFile, start, startReptyr, type SubjectName } from "./fault_trial.ts";
import { waitUntil } from "./terminal.ts";

const CALLS = ["ptrace", "ioctl", "process_vm_readv", "process_vm_writev"] as const;

export class Moments {
  /** The calls of the thread that traces, as strace(1) shows them. */
  readonly #lines: readonly string[];

  private constructor(log: string) {
    const [tracer] = /^\d+(?= +ptrace\()/m.exec(log)!;
    this.#lines = log.split("\n").filter((line) => line.startsWith(`${tracer} `))
      .map((line) => line.replace(/^\d+ +/, ""));
  }

  static of(name: SubjectName): Moments {
    using log = new LogFile();
    using subject = start(name);
    // One that strikes nothing: SIGURG, which reptyr ignores, at a call that never comes.
    const never = 60_000;
    const fault: Fault = {
      side: "own",
      call: CALLS.join(),
      error: "SIGURG",
      first: never,
      last: never,
    };
    using run = startReptyr(subject, fault, log.path);
    waitUntil("the move", () => subject.isMoved());
    subject.assertAnswersOn(run.terminal);
    return new Moments(Deno.readTextFileSync(log.path));
  }

  /** The number of the `which`th request to ptrace(2) that `pattern` fits; counted from the last one if negative. */
  request(pattern: RegExp, which = 0): number {
    const requests = this.#lines.filter((line) => line.startsWith("ptrace("));
    const found = requests.flatMap((line, index) => pattern.test(line) ? [index + 1] : []).at(
      which,
    );
    if (found === undefined) throw new Error(`No request ${which} of ${pattern}`);
    return found;
  }

  /** The request that gives a thread the registers for the `which`th call `name` in its name: on x86_64. */
  injected(name: SyscallName, which = 0): number {
    const number = x86_64.syscallNumbers[name].toString(16);
    return this.request(new RegExp(`PTRACE_SETREGSET.*[ {]rax=0x${number},`), which);
  }

  /** Requests from `first` to the one before `end`, `count` of them, evenly spread. */
  static spread(first: number, end: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => first + Math.floor(i * (end - first) / count));
  }

  /** The numbers of the calls `name` while a thread has registers that are not its own. */
  onLoan(name: (typeof CALLS)[number]): number[] {
    const isLoan = (line: string) => line.startsWith("ptrace(PTRACE_SETSIGMASK");
    return this.#between(name, this.#lines.findIndex(isLoan), this.#lines.findLastIndex(isLoan));
  }

  /** The numbers of the calls `name` after all have been let go. */
  afterwards(name: (typeof CALLS)[number]): number[] {
    const isEnd = (line: string) => line.startsWith("ptrace(PTRACE_DETACH");
    return this.#between(name, this.#lines.findLastIndex(isEnd), Infinity);
  }

  #between(name: string, from: number, to: number): number[] {
    return this.#lines.map((line, index) => ({ line, index }))
      .filter(({ line }) => line.startsWith(`${name}(`))
      .flatMap(({ index }, number) => index > from && index < to ? [number + 1] : []);
  }
}
