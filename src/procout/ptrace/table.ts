/** The threads and processes that are watched. */
import type { BlockedCall, Registers } from "../../arch/mod.ts";
import { ARGUMENT_WORDS } from "../../tracee/syscall_stop.ts";
import type { Call, CallTable } from "../calls.ts";
import type { Stream } from "../engine.ts";
import type { FileTable } from "../file_table.ts";
import type { HeldThread } from "./held.ts";

/** When a call that is made again has to end: time_limit.ts. */
export interface TimeLimit {
  readonly call: BlockedCall;
  /** By `performance.now()`. */
  readonly end: number;
  /** What the call returns then. */
  readonly result: bigint;
}

export class Process {
  readonly tids = new Set<number>();
  /** Names of the calls whose bytes cannot be seen, and that was told of. */
  readonly unseen = new Set<string>();
  /** Threads that wait in a stop to be let go. */
  readonly held: HeldThread[] = [];
  /** A descriptor for it, once one was needed. */
  pidfd: number | undefined;

  constructor(readonly pid: number, public files: FileTable) {}
}

export class Thread {
  /** Whether it has been in a stop, and goes from one syscall-stop to the next since. */
  started = false;
  /** Whether it was asked to stop when we became its tracer, and has not. */
  interrupted = false;
  /** PTRACE_O_* bits to be set once it runs the program it was made for. */
  optionsAfterExec: number | undefined;
  /** What it is in the midst of, when that matters; then also the rest. */
  call: Call | undefined;
  /** Bytes of a word where it entered the kernel: 8, or 4 for a call of 32 bits. */
  wordBytes: CallTable["wordBytes"] = 8;
  /** First argument of the call it is in, and the call that it came out of with EINTR: see `earlyRestart` in src/arch. */
  firstArgument = 0n;
  broken: BlockedCall | undefined;
  /**
   * With that EINTR, where the call was put right after a further stop: up to the next stop, for the thread runs nothing of its
   * own before that.
   */
  brokenRegisters: Registers | undefined;
  /** Whether job control has stopped it since its last syscall-stop. */
  wasStopped = false;
  /** When it entered the call it is in, by `performance.now()`; undefined where that was not seen. */
  since: number | undefined;
  /** When that call has to end, where it was broken and is made again; and what will be made again. */
  limit: TimeLimit | undefined;
  again: TimeLimit | undefined;
  fd = -1;
  stream: Stream = 0;
  readonly args = new Uint32Array(ARGUMENT_WORDS);

  constructor(readonly tid: number, readonly process: Process) {}

  /** Low word of argument `index`. */
  low(index: number): number {
    return this.args[2 * index] ?? 0;
  }

  high(index: number): number {
    return this.args[2 * index + 1] ?? 0;
  }

  /** Argument `index` as a number, exact up to 2^53. */
  arg(index: number): number {
    return this.low(index) + this.high(index) * 0x1_0000_0000;
  }
}

export class ThreadTable {
  readonly #threads = new Map<number, Thread>();
  readonly #processes = new Map<number, Process>();
  #last: Thread | undefined;

  get size(): number {
    return this.#threads.size;
  }

  get threads(): IterableIterator<Thread> {
    return this.#threads.values();
  }

  get processes(): IterableIterator<Process> {
    return this.#processes.values();
  }

  process(pid: number): Process | undefined {
    return this.#processes.get(pid);
  }

  thread(tid: number): Thread | undefined {
    // Most stops are of the thread that stopped last.
    if (this.#last?.tid !== tid) this.#last = this.#threads.get(tid);
    return this.#last;
  }

  add(tid: number, process: Process): Thread {
    const thread = new Thread(tid, process);
    this.#threads.set(tid, thread);
    this.#processes.set(process.pid, process);
    process.tids.add(tid);
    return thread;
  }

  /** Forget a thread; whether its process has ended with it. */
  remove(thread: Thread): boolean {
    this.#threads.delete(thread.tid);
    this.#last = undefined;
    const { process } = thread;
    process.tids.delete(thread.tid);
    if (process.tids.size > 0) return false;
    this.#processes.delete(process.pid);
    return true;
  }
}
