/**
 * Having a program suspend itself as it does for ^Z, all but the stop: it puts its terminal right, and where it would
 * stop it is held. Nobody else sees a stop, and the program goes on from there as after `fg`.
 */
import { TraceeDiedError } from "../errors.ts";
import { PTRACE_CONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU } from "../ffi/constants.ts";
import { kill, usleep } from "../ffi/process.ts";
import { orThrow } from "../ffi/raw.ts";
import { readStatus } from "../proc/status.ts";
import { interrupt, resume } from "./ptrace.ts";
import { restart } from "./release.ts";
import type { Tracee } from "./tracee.ts";
import { Deadline, statusBefore, statusNow } from "./wait.ts";
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
 * Throws TraceeDiedError, or StopTimeoutError when a thread does not stop in time afterwards: it is a stray then.
 */
export function suspendItself(tracee: Tracee, seconds: number, timeoutSeconds: number): boolean {
  return new Suspension(tracee).run(new Deadline(seconds), timeoutSeconds);
}

class Suspension {
  readonly #tracee: Tracee;
  readonly #running: Set<number>;
  readonly #stopped = new Set<number>();
  #suspended = false;

  constructor(tracee: Tracee) {
    this.#tracee = tracee;
    this.#running = new Set(tracee.tids);
  }

  run(deadline: Deadline, timeoutSeconds: number): boolean {
    const { pid } = this.#tracee;
    orThrow(kill(pid, SIGTSTP), `kill(${pid}, SIGTSTP)`);
    try {
      this.#each((tid) => resume(tid, PTRACE_CONT));
      let pause = FIRST_PAUSE_US;
      while (!this.#suspended && this.#running.size > 0 && !deadline.passed) {
        usleep(pause);
        pause = Math.min(2 * pause, LONGEST_PAUSE_US);
        this.#each((tid) => this.#look(tid, statusNow(pid, tid)));
      }
      this.#stopAll(new Deadline(timeoutSeconds));
    } finally {
      this.#tracee.stopAgain([...this.#stopped], [...this.#running], timeoutSeconds);
    }
    return this.#suspended;
  }

  #stopAll(deadline: Deadline): void {
    const { pid } = this.#tracee;
    this.#each(interrupt);
    while (this.#running.size > 0) {
      this.#each((tid) => {
        const status = statusBefore(pid, tid, deadline);
        const asked = status.kind === "interrupt-stop";
        if (asked) this.#stop(tid);
        else this.#look(tid, status);
      });
    }
  }

  /** For every thread that runs. Those that have ended are no more among them. */
  #each(action: (tid: number) => void): void {
    for (const tid of [...this.#running]) {
      try {
        action(tid);
      } catch (error) {
        if (!(error instanceof TraceeDiedError)) throw error;
        this.#running.delete(tid);
      }
    }
  }

  #stop(tid: number): void {
    restart(tid);
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
        // Somebody else's, begun before.
        return this.#stop(tid);
      case "signal-delivery-stop":
        if (!this.#stops(status.signal)) return resume(tid, PTRACE_CONT, status.signal);
        this.#suspended = true;
        // Not one instruction further: the interrupt is looked at before the thread is back in user mode.
        interrupt(tid);
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
    return (handled & (1n << BigInt(signal - 1))) === 0n;
  }
}
