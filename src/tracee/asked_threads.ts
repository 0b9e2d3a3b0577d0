/** The threads of a process between the request to stop and the stop. */
import { StopTimeoutError, TraceeDiedError } from "../errors.ts";
import { releaseThreads, restartAll } from "./release.ts";
import type { Threads } from "./stop_threads.ts";
import type { Tracee } from "./tracee.ts";
import type { Deadline, Waits } from "./wait.ts";
import type { WaitStatus } from "./wait_status.ts";

/** Threads that have been asked to stop. */
export class AskedThreads {
  readonly #threads: Threads;
  readonly #deadline: Deadline;
  readonly #make: (stops: readonly WaitStatus[]) => Tracee;
  readonly #first: readonly number[];
  #isOver = false;

  constructor(
    threads: Threads,
    deadline: Deadline,
    make: (stops: readonly WaitStatus[]) => Tracee,
  ) {
    this.#threads = threads;
    this.#deadline = deadline;
    this.#make = make;
    try {
      this.#first = threads.ask(true);
    } catch (error) {
      this.#letGo(error);
      throw error;
    }
  }

  /** Wait for the stops. Throws as Tracee.seize() does; then it is over. */
  *stopping(): Waits<Tracee> {
    const { pid, stopped } = this.#threads;
    try {
      const stops = yield* this.#threads.stop(this.#first, this.#deadline);
      this.#threads.session.pendingDetach.add(pid, this.#threads.running);
      if (stopped.size === 0) throw new TraceeDiedError(pid);
      const tracee = this.#make(stops);
      this.#isOver = true;
      return tracee;
    } catch (error) {
      this.#letGo(error);
      throw error;
    }
  }

  /** End the wait because of `error`, and let go of all threads. Does nothing once {@linkcode stopping} is over. */
  callOff(error: unknown): void {
    this.#letGo(error);
  }

  #letGo(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { session, pid, stopped, running } = this.#threads;
    session.pendingDetach.add(pid, running);
    restartAll([...stopped]);
    releaseThreads(session.blockedCalls, pid, [...stopped]);
    if (!(error instanceof StopTimeoutError)) session.pendingDetach.await();
  }
}
