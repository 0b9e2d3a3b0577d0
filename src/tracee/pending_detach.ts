/** Threads that are ours to let go or to wait for, but not yet. */
import { TraceeDiedError } from "../errors.ts";
import { usleep } from "../ffi/process.ts";
import { verbose } from "../log.ts";
import type { BlockedCalls } from "./blocked_calls.ts";
import { releaseThread, restart } from "./release.ts";
import { Deadline, hasExited, statusNow } from "./wait.ts";

/** How often to look for a stop: until we look, the thread stands still in it. */
const WATCH_MS = 100;
/** A thread that can stop does so at once, but on another processor. */
const STOP_SECONDS = 0.2;
const STOP_PAUSE_US = 100;

/**
 * Running threads that were asked to stop, and must not stay stopped once they do; leaders that have exited, whose end is
 * reported when all other threads have ended.
 */
export class PendingDetach {
  readonly #threads = new Map<number, { readonly pid: number; readonly asItIs: boolean }>();
  readonly #blockedCalls: BlockedCalls;
  #watch: number | undefined;

  constructor(blockedCalls: BlockedCalls) {
    this.#blockedCalls = blockedCalls;
  }

  /** `asItIs`: nothing is repaired in these threads, as they come back to themselves. */
  add(pid: number, tids: readonly number[], asItIs = false): void {
    for (const tid of tids) this.#threads.set(tid, { pid, asItIs });
    if (this.release() > 0) this.#startWatch();
  }

  /** Whether thread `tid` was pending: it has been asked to stop, and is the caller's now. */
  takeBack(tid: number): boolean {
    return this.#threads.delete(tid);
  }

  /** Pending threads that live, and have not stopped yet. */
  living(): number[] {
    this.release();
    return [...this.#threads].filter(([tid, { pid }]) => !hasExited(pid, tid)).map(([tid]) => tid);
  }

  /** Whether no pending thread can stop any more. The end of an exited leader may take days. */
  get #haveExited(): boolean {
    return [...this.#threads].every(([tid, { pid }]) => hasExited(pid, tid));
  }

  #startWatch(): void {
    if (this.#watch !== undefined) return;
    this.#watch = setInterval(() => {
      try {
        if (this.release() > 0 && !this.#haveExited) return;
      } catch (error) {
        verbose(`A thread cannot be let go yet: ${error}`);
        return;
      }
      clearInterval(this.#watch);
      this.#watch = undefined;
    }, WATCH_MS);
    Deno.unrefTimer(this.#watch);
  }

  /**
   * Wait a moment for pending threads that live: this program is about to end. The kernel lets them go then, but does not
   * repair the call that the stop has broken.
   */
  await(): void {
    const deadline = new Deadline(STOP_SECONDS);
    while (this.release() > 0 && !deadline.passed) {
      if (this.#haveExited) return;
      usleep(STOP_PAUSE_US);
    }
  }

  /**
   * Let go of the threads that have stopped by now; how many are left to try again. When this program ends the kernel
   * lets go of them.
   */
  release(): number {
    for (const [tid, { pid, asItIs }] of this.#threads) {
      try {
        const status = statusNow(pid, tid);
        if (status === undefined) continue;
        this.#threads.delete(tid);
        if (status.kind === "exited" || status.kind === "signaled") continue;
        if (!asItIs) restart(tid);
        const signal = status.kind === "signal-delivery-stop" ? status.signal : 0;
        releaseThread(this.#blockedCalls, tid, signal);
      } catch (error) {
        if (!(error instanceof TraceeDiedError)) throw error;
        this.#threads.delete(tid);
      }
    }
    return this.#threads.size;
  }
}
