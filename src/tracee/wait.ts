/** Waiting for a tracee, always with an end: rule 1 of docs/architecture.md#rules-that-keep-targets-safe. */
import { HeldUpError, StopTimeoutError, TraceeDiedError } from "../errors.ts";
import { __WALL, PTRACE_CONT, WNOHANG } from "../ffi/constants.ts";
import { libc } from "../ffi/libc.ts";
import { usleep } from "../ffi/process.ts";
import { raw } from "../ffi/raw.ts";
import { isDeadState, readStat } from "../proc/stat.ts";
import { readWchan } from "../proc/tasks.ts";
import { resume } from "./ptrace.ts";
import { decodeWaitStatus, type WaitStatus } from "./wait_status.ts";

/**
 * To give up on a thread that has our registers, and no signal frames, is to lose it. So then the user's own limit, which is
 * about stopping, does not apply.
 */
const LONGEST_SCOPE_SECONDS = 60;

/** A moment on the monotonic clock after which waiting is given up. */
export class Deadline {
  readonly #end: number;

  constructor(readonly seconds: number) {
    this.#end = performance.now() + seconds * 1000;
  }

  get passed(): boolean {
    return performance.now() >= this.#end;
  }

  /** Whether to give up on a thread that is in `state` and has not stopped. */
  isOver(_state: string): boolean {
    return this.passed;
  }

  /** What to say then. */
  error(pid: number, tid: number, state: string, where: string): StopTimeoutError {
    return new StopTimeoutError(pid, tid, this.seconds, state, where);
  }
}

/** Not less for a thread that has our registers: it may have to wait for a page, or for a processor. */
const LEAST_SCOPE_SECONDS = 1;

/**
 * For a thread that has our registers, which stops within microseconds. One that waits for a processor is given more
 * time: that machine stands still itself.
 */
export class ScopeDeadline extends Deadline {
  readonly #longest = new Deadline(LONGEST_SCOPE_SECONDS);

  constructor(seconds: number) {
    super(Math.max(seconds, LEAST_SCOPE_SECONDS));
  }

  /** For a thread that is lost when it is given up. */
  static longest(): ScopeDeadline {
    return new ScopeDeadline(LONGEST_SCOPE_SECONDS);
  }

  override isOver(state: string): boolean {
    return this.passed && (state !== "R" || this.#longest.passed);
  }

  override error(pid: number, tid: number, state: string, where: string): HeldUpError {
    return new HeldUpError(pid, tid, this.seconds, state, where);
  }
}

/** A thread that is waited for. */
export interface Wait {
  readonly pid: number;
  readonly tid: number;
}

/**
 * A wait that can be given up: it yields each time that it has looked in vain. {@linkcode waitOut} continues it after a
 * pause; another caller may do something else in between. An error that is thrown into it lets go of all threads that it
 * has asked to stop.
 */
export type Waits<T> = Generator<Wait, T, void>;

/** A tracee that can stop at all does so within microseconds: this often without a pause. */
const BUSY_TRIES = 100;
const FIRST_PAUSE_US = 20;
const LONGEST_PAUSE_US = 2000;

/** Pauses between looks at one thread that grow longer. */
export class Pauses {
  #tid = 0;
  #tries = 0;
  #pause = FIRST_PAUSE_US;

  pause({ tid }: Wait): void {
    if (tid !== this.#tid) {
      this.#tid = tid;
      this.#tries = 0;
      this.#pause = FIRST_PAUSE_US;
    }
    if (this.#tries++ < BUSY_TRIES) return;
    usleep(this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_US);
  }
}

/** Wait to the end, synchronously. A blocking waitpid could not be bounded: JavaScript's timers do not run during it. */
export function waitOut<T>(waits: Waits<T>): T {
  const pauses = new Pauses();
  for (;;) {
    const turn = waits.next();
    if (turn.done === true) return turn.value;
    pauses.pause(turn.value);
  }
}

/** A status of thread `tid` that is there already; `undefined` when there is none. */
export function statusNow(pid: number, tid: number): WaitStatus | undefined {
  const status = new Int32Array(1);
  const bytes = new Uint8Array(status.buffer);
  const options = WNOHANG | __WALL;
  const waited = raw(libc().waitpid(tid, bytes, options), "wait4", tid, bytes, options);
  if (waited < 0) throw new TraceeDiedError(pid);
  const [word = 0] = status;
  return waited === tid ? decodeWaitStatus(word) : undefined;
}

/** Whether the thread has exited, reaped or not. */
export function hasExited(pid: number, tid: number): boolean {
  return isDeadState(readStat(pid, tid)?.state ?? "X");
}

/**
 * The next status of thread `tid` of process `pid`.
 *
 * Throws StopTimeoutError when none came before the deadline, with what the thread is waiting for, and
 * TraceeDiedError when the thread is not ours to wait for.
 */
export function* nextStatus(pid: number, tid: number, deadline: Deadline): Waits<WaitStatus> {
  const wait = { pid, tid };
  for (let tries = 1;; tries++) {
    const status = statusNow(pid, tid);
    if (status !== undefined) return status;
    if (tries > BUSY_TRIES) {
      const ended = endOf(pid, tid, deadline);
      if (ended !== undefined) return ended;
    }
    yield wait;
  }
}

/**
 * For a thread that has not reported anything: its end, which a leader does not report before all other threads have been
 * waited for. Throws StopTimeoutError after the deadline.
 */
export function endOf(pid: number, tid: number, deadline: Deadline): WaitStatus | undefined {
  const state = readStat(pid, tid)?.state ?? "X";
  if (isDeadState(state)) return statusNow(pid, tid) ?? { kind: "exited", status: 0 };
  if (!deadline.isOver(state)) return undefined;
  const last = statusNow(pid, tid);
  if (last !== undefined) return last;
  throw deadline.error(pid, tid, state, readWchan(pid, tid));
}

/** `waiting for thread 431 of 431 (state D, in kernel_clone)`: what a thread does that does not stop. */
export function waitingText({ pid, tid }: Wait): string {
  const state = readStat(pid, tid)?.state ?? "X";
  const where = readWchan(pid, tid);
  return `waiting for thread ${tid} of ${pid} (state ${state}${
    where === "" ? "" : `, in ${where}`
  })`;
}

/**
 * Run the thread into the stop that PTRACE_INTERRUPT asked for; `undefined` when it exited instead.
 * Signals that were on their way before are delivered: the pending interrupt stops the thread again
 * before the first instruction of a handler.
 */
export function* untilInterrupted(
  pid: number,
  tid: number,
  deadline: Deadline,
): Waits<WaitStatus | undefined> {
  for (;;) {
    const status = yield* nextStatus(pid, tid, deadline);
    switch (status.kind) {
      case "interrupt-stop":
      case "group-stop":
        return status;
      case "exited":
      case "signaled":
        return undefined;
      case "signal-delivery-stop":
        resume(tid, PTRACE_CONT, status.signal);
        break;
      case "syscall-stop":
      case "event-stop":
        resume(tid, PTRACE_CONT);
        break;
    }
  }
}
