/**
 * Signals to this program, as words that a loop asks for. A listener of Deno's runs only in a turn of
 * the event loop: so a signal is never acted upon between two synchronous calls, and the tracee is
 * whole whenever one is.
 */
import { pipe, read, write } from "../ffi/descriptor.ts";
import { ignoreAgain } from "../ffi/own_limits.ts";
import { requireThread } from "../ffi/threads.ts";

export class SignalInbox {
  readonly #arrived = new Set<Deno.Signal>();
  readonly #pipe = pipe();
  #onArrival: (() => void) | undefined;
  #sleeper: (() => void) | undefined;
  #woken = false;

  /**
   * Start the runtime's thread for signals before there is anything to listen for: the runtime starts it at the first
   * listener, and aborts the program where it cannot. The first listener also takes some signals over: those of `ignored`,
   * bit N - 1 for signal N, stay ignored, as a program that inherits them expects. Throws RefusedError.
   */
  static startThread(ignored = 0n): void {
    if (!SignalInbox.#hasThread) {
      requireThread();
      // Nothing sends it, so nothing changes by a listener.
      Deno.addSignalListener("SIGSTKFLT", () => {});
      SignalInbox.#hasThread = true;
    }
    if (ignored !== 0n) ignoreAgain(ignored);
  }

  static #hasThread = false;

  /**
   * Listen from now on to the end of the program, in place of the signals' default actions. Nothing is done about the
   * `ignored` ones: without a listener Deno would end the program by some of them. Throws RefusedError.
   */
  constructor(signals: readonly Deno.Signal[], ignored: readonly Deno.Signal[] = []) {
    SignalInbox.startThread();
    for (const signal of signals) {
      Deno.addSignalListener(signal, () => this.#arrive(signal));
    }
    for (const signal of ignored) Deno.addSignalListener(signal, () => {});
  }

  /** Readable after {@linkcode wake}, which every signal calls: ends a poll(2) that runs on another thread. */
  get descriptor(): number {
    return this.#pipe.readEnd;
  }

  /** Make the descriptor readable, until {@linkcode settle}. */
  wake(): void {
    if (!this.#woken) write(this.#pipe.writeEnd, Uint8Array.of(1));
    this.#woken = true;
  }

  /** The sleeper that was to be woken is awake. */
  settle(): void {
    if (this.#woken) read(this.#pipe.readEnd, new Uint8Array(1));
    this.#woken = false;
  }

  /** Whether there is any to be taken. */
  get hasAny(): boolean {
    return this.#arrived.size > 0;
  }

  /** Whether `signal` arrived since it was last asked for. Several arrivals count once. */
  take(signal: Deno.Signal): boolean {
    return this.#arrived.delete(signal);
  }

  /** The first of `signals` that arrived, taken; `undefined` when none did. */
  takeAny<S extends Deno.Signal>(signals: readonly S[]): S | undefined {
    return signals.find((signal) => this.take(signal));
  }

  /** After EINTR: wait for the listener's turn, but no longer than `milliseconds`. */
  async arrival(milliseconds: number): Promise<void> {
    if (this.#arrived.size > 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#onArrival = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#onArrival = undefined;
  }

  /**
   * Settles at the next arrival, at once when there is any to be taken, or when `other` does. Not Promise.race(): that
   * would leave something behind at a promise that never settles each time.
   */
  async arrivalOr(other: Promise<unknown>): Promise<void> {
    if (this.hasAny) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#sleeper = resolve;
    other.then(() => resolve(), () => resolve());
    await promise;
    this.#sleeper = undefined;
  }

  /** End the wait of {@linkcode arrivalOr}, if there is one. */
  wakeSleeper(): void {
    this.#sleeper?.();
  }

  #arrive(signal: Deno.Signal): void {
    this.#arrived.add(signal);
    this.wake();
    this.#onArrival?.();
    this.wakeSleeper();
  }
}
