/**
 * Holding back threads that write faster than we read. A thread is seized and interrupted, as it is on its way back from
 * the call, and let go when there is room: neither its parent nor itself is told of that, and should this program die the
 * kernel lets it go. Rules 1 and 8 of docs/architecture.md#rules-that-keep-targets-safe
 * hold here, too.
 */
import { SyscallError, TraceeDiedError } from "../../errors.ts";
import { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU } from "../../ffi/constants.ts";
import { usleep } from "../../ffi/process.ts";
import { verbose } from "../../log.ts";
import { readable } from "../../proc/gone.ts";
import { isEnding } from "../../proc/stat.ts";
import { readStatus } from "../../proc/status.ts";
import { detach, interrupt, seize } from "../../tracee/ptrace.ts";
import { restartOnRelease } from "../../tracee/release.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import { Deadline, statusNow } from "../../tracee/wait.ts";
import type { WaitStatus } from "../../tracee/wait_status.ts";

/** A thread in an uninterruptible call cannot be waited for; the kernel lets it go when this program ends. */
const DETACH_SECONDS = 5;
const PAUSE_US = 100;

/** After these a call is not made again: signal(7). */
const STOP_SIGNALS: readonly number[] = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];

export interface HoldSinks {
  /** Told of the end of a thread that was held, whose wait status has been taken with that. */
  readonly onEnd: (tid: number, status: WaitStatus) => void;
  /** Told of a thread that waits in the kernel: from now on, and until it is let go, it does not run on. */
  readonly setHeld: (tid: number, isHeld: boolean) => void;
}

/** How far the ring is read, and how far written. */
export interface Progress {
  readonly read: number;
  readonly waiting: number;
}

interface Held {
  readonly pid: number;
  /** Whether it may leave what it wrote in its memory for us. */
  isInside: boolean;
  /** Its stop, and how far the ring has to be read before it may go on. */
  stop?: { readonly status: WaitStatus; readonly until: number };
}

export class HeldThreads {
  /** By tid. */
  readonly #held = new Map<number, Held>();
  /** Those that cannot be held, for another program traces them, or a rule forbids it. */
  readonly #others = new Set<number>();
  readonly #sinks: HoldSinks;
  /** How often a thread was held. */
  count = 0;

  constructor(sinks: HoldSinks) {
    this.#sinks = sinks;
  }

  get any(): boolean {
    return this.#held.size > 0;
  }

  /** Whether `tid` does not run before what it has left in its memory is read. */
  has(tid: number): boolean {
    return this.#held.get(tid)?.isInside === true;
  }

  /** `isInside`: it waits in the kernel until it is held. */
  hold(pid: number, tid: number, isInside: boolean): void {
    if (this.#others.has(tid)) return;
    if (!this.#held.has(tid)) this.#seize(pid, tid, isInside);
    const held = this.#held.get(tid);
    if (!isInside || held === undefined || held.isInside || held.stop !== undefined) return;
    held.isInside = true;
    this.#sinks.setHeld(tid, true);
  }

  /** One that is inside is not looked at: it is in its write. Nor is any waited for, which would not stop writing. */
  #seize(pid: number, tid: number, isInside: boolean): void {
    try {
      seize(tid, 0);
      this.#held.set(tid, { pid, isInside: false });
      this.count++;
      if (isInside) TRACE_SESSION.blockedCalls.take(tid);
      else TRACE_SESSION.blockedCalls.note(pid, tid);
      interrupt(tid);
    } catch (error) {
      if (error instanceof TraceeDiedError) return;
      if (!(error instanceof SyscallError)) throw error;
      const tracer = readable(() => readStatus(pid, tid))?.tracerPid ?? 0;
      if (tracer === Deno.pid) this.#held.set(tid, { pid, isInside: false });
      else if (!isEnding(pid, tid)) {
        this.#others.add(tid);
        const why = tracer === 0 ? error.reason : `process ${tracer} traces it`;
        verbose(`Thread ${tid} cannot be held back: ${why}`);
      }
    }
  }

  /**
   * Let all of them go that have come to their stop by now, and have left nothing in their memory that is still to be
   * read; to be called again for the others.
   */
  release(progress: Progress): void {
    for (const [tid, held] of this.#held) this.#tryRelease(tid, held, progress);
  }

  /** Let all of them go. */
  [Symbol.dispose](): void {
    const deadline = new Deadline(DETACH_SECONDS);
    const release = () => this.release({ read: Infinity, waiting: 0 });
    for (release(); this.any && !deadline.passed; release()) usleep(PAUSE_US);
  }

  #tryRelease(tid: number, held: Held, progress: Progress): void {
    try {
      if (held.stop === undefined) {
        const status = statusNow(held.pid, tid);
        if (status === undefined) return;
        // All that it had to tell is in the ring by now, and only now: the ring is to be looked at after the stop.
        held.stop = { status, until: held.isInside ? progress.read + progress.waiting : 0 };
      }
      const { status, until } = held.stop;
      if (progress.read < until) return;
      if (held.isInside) this.#sinks.setHeld(tid, false);
      if (status.kind === "exited" || status.kind === "signaled") this.#sinks.onEnd(tid, status);
      else letGo(tid, status);
    } catch (error) {
      // Gone, or about to be.
      if (!(error instanceof TraceeDiedError) && !(error instanceof SyscallError)) throw error;
    }
    this.#held.delete(tid);
  }
}

/** Out of the stop that `status` tells of. */
function letGo(tid: number, status: WaitStatus): void {
  const signal = status.kind === "signal-delivery-stop" ? status.signal : 0;
  if (status.kind !== "group-stop" && !STOP_SIGNALS.includes(signal)) {
    restartOnRelease(tid, signal, TRACE_SESSION.blockedCalls.take(tid));
  }
  detach(tid, signal);
}
