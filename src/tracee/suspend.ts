/**
 * Having a program suspend itself as it does for ^Z, all but the stop: it puts its terminal right, and where it would
 * stop it is held. Nobody else sees a stop, and the program goes on from there as after `fg`.
 */
import { GivenUpError, TraceeDiedError } from "../errors.ts";
import { PTRACE_CONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU } from "../ffi/constants.ts";
import { usleep } from "../ffi/process.ts";
import { orThrow } from "../ffi/raw.ts";
import { hasSignal, readStatus } from "../proc/status.ts";
import { breakableOf } from "./breakable_calls.ts";
import { interrupt, resume } from "./ptrace.ts";
import { restart, restartOnRelease } from "./release.ts";
import type { Tracee } from "./tracee.ts";
import { Deadline, endOf, statusNow, waitOut, type Waits } from "./wait.ts";
import type { WaitStatus } from "./wait_status.ts";

/** Job control's stops: signal(7). Programs that tidy up raise the first or the second of them. */
const STOP_SIGNALS: readonly number[] = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];

const FIRST_PAUSE_US = 50;
const LONGEST_PAUSE_US = 1000;

/**
 * Send SIGTSTP, which the program catches, and let all threads run until one is about to stop the process: by a stop
 * signal that has no handler at that moment. That signal is taken from it. Whether it came to that within
 * `seconds`; all threads stand still again when this returns, also when it did not.
 *
 * Throws TraceeDiedError, or StopTimeoutError when a thread does not stop in time afterwards: its detach is pending then.
 */
export function* suspendingItself(
  tracee: Tracee,
  seconds: number,
  timeoutSeconds: number,
): Waits<boolean> {
  return yield* new Suspension(tracee).run(new Deadline(seconds), timeoutSeconds);
}

class Suspension {
  readonly #tracee: Tracee;
  readonly #running: Set<number>;
  readonly #stopped = new Set<number>();
  #asked = false;
  #suspended = false;

  constructor(tracee: Tracee) {
    this.#tracee = tracee;
    this.#running = new Set(tracee.tids);
  }

  *run(deadline: Deadline, timeoutSeconds: number): Waits<boolean> {
    const { pid, tids } = this.#tracee;
    // A signal to a process comes to the thread that runs first. One thread is to take it, and its call ends by that; the calls
    // of the others go on.
    const receiver = tids.find((tid) => !blocksStop(pid, tid));
    const others = tids.filter((tid) => tid !== receiver);
    this.#each(
      (tid) => restartOnRelease(tid, 0, this.#tracee.session.blockedCalls.take(tid)),
      others,
    );
    orThrow(this.#tracee.signal(SIGTSTP), `kill(${pid}, SIGTSTP)`);
    try {
      if (receiver !== undefined) {
        this.#each((tid) => resume(tid, PTRACE_CONT), [receiver]);
        yield* this.#watch([receiver], () => this.#asked, deadline);
      }
      this.#each((tid) => resume(tid, PTRACE_CONT), others);
      yield* this.#watch(tids, () => this.#suspended, deadline);
      yield* this.#stopAll(new Deadline(timeoutSeconds));
    } catch (error) {
      // Those that run on are let go as soon as they stop.
      if (error instanceof GivenUpError) this.#each((tid) => this.#interrupt(tid));
      waitOut(this.#stopRest(error instanceof GivenUpError ? 0 : timeoutSeconds));
      throw error;
    }
    yield* this.#stopRest(timeoutSeconds);
    return this.#suspended;
  }

  /** Stop the threads that were cloned meanwhile. The detach of those that do not stop is pending then. */
  #stopRest(seconds: number): Waits<void> {
    return this.#tracee.stoppingAgain(
      [...this.#stopped],
      [...this.#running],
      new Deadline(seconds),
    );
  }

  /** Act upon what `tids` report, until it `is` so, or none of them runs. */
  *#watch(tids: readonly number[], is: () => boolean, deadline: Deadline): Waits<void> {
    let pause = FIRST_PAUSE_US;
    const { pid } = this.#tracee;
    while (!is() && tids.some((tid) => this.#running.has(tid)) && !deadline.passed) {
      usleep(pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE_US);
      // Not undefined: some() has found one, and nothing has run since.
      yield { pid, tid: tids.find((tid) => this.#running.has(tid))! };
      this.#each((tid) => this.#look(tid, this.#reported(tid, () => statusNow(pid, tid))), tids);
    }
  }

  /** In the order of stop_threads.ts. */
  *#stopAll(deadline: Deadline): Waits<void> {
    const all = [...this.#running];
    const breakable = breakableOf(this.#tracee.pid, all);
    yield* this.#stopThose(all.filter((tid) => !breakable.has(tid)), deadline);
    for (const tid of breakable) yield* this.#stopThose([tid], deadline);
  }

  *#stopThose(tids: readonly number[], deadline: Deadline): Waits<void> {
    const { pid } = this.#tracee;
    this.#each((tid) => this.#interrupt(tid), tids);
    const left = () => tids.filter((tid) => this.#running.has(tid));
    for (;;) {
      const before = left().length;
      this.#each((tid) => {
        const status = this.#reported(tid, () => statusNow(pid, tid) ?? endOf(pid, tid, deadline));
        if (status?.kind === "interrupt-stop") this.#stop(tid);
        else this.#look(tid, status);
      }, tids);
      const [tid] = left();
      if (tid === undefined) return;
      if (left().length === before) yield { pid, tid };
    }
  }

  /**
   * For every thread that runs, or those of `tids`. A thread that cannot be asked any more has ended, and its end is
   * still to be waited for: before that the kernel does not report the end of the first thread.
   */
  #each(action: (tid: number) => void, tids: readonly number[] = [...this.#running]): void {
    for (const tid of tids.filter((tid) => this.#running.has(tid))) {
      try {
        action(tid);
      } catch (error) {
        if (!(error instanceof TraceeDiedError)) throw error;
      }
    }
  }

  /** What `wait` tells of `tid`. A thread that cannot be waited for does not run any more. */
  #reported(tid: number, wait: () => WaitStatus | undefined): WaitStatus | undefined {
    try {
      return wait();
    } catch (error) {
      if (!(error instanceof TraceeDiedError)) throw error;
      this.#running.delete(tid);
      return undefined;
    }
  }

  #interrupt(tid: number): void {
    this.#tracee.session.blockedCalls.note(this.#tracee.pid, tid);
    interrupt(tid);
  }

  #stop(tid: number): void {
    if (restart(tid)) this.#tracee.session.blockedCalls.noteRepaired(tid);
    this.#running.delete(tid);
    this.#stopped.add(tid);
  }

  /** Act upon what a running thread reports, if anything. */
  #look(tid: number, status: WaitStatus | undefined): void {
    switch (status?.kind) {
      case undefined:
        return;
      case "exited":
      case "signaled":
        this.#running.delete(tid);
        return;
      case "group-stop":
        // Of another process, begun before.
        return this.#stop(tid);
      case "signal-delivery-stop":
        this.#asked ||= status.signal === SIGTSTP;
        if (!this.#stops(status.signal)) return resume(tid, PTRACE_CONT, status.signal);
        this.#suspended = true;
        // Not one instruction further: the interrupt is looked at before the thread is back in user mode.
        this.#interrupt(tid);
        return resume(tid, PTRACE_CONT);
      default:
        return resume(tid, PTRACE_CONT);
    }
  }

  /** Whether `signal` would stop the process now. Its first, of ours, has a handler. */
  #stops(signal: number): boolean {
    if (!STOP_SIGNALS.includes(signal)) return false;
    const status = readStatus(this.#tracee.pid, this.#tracee.mainTid);
    const handled = (status?.sigCaught ?? 0n) | (status?.sigIgnored ?? 0n);
    return !hasSignal(handled, signal);
  }
}

function blocksStop(pid: number, tid: number): boolean {
  return hasSignal(readStatus(pid, tid)?.sigBlocked ?? 0n, SIGTSTP);
}
