/**
 * Signals to this program, as words that a loop asks for. A listener of Deno's runs only in a turn of
 * the event loop: so a signal is never acted upon between two synchronous calls, and the tracee is
 * whole whenever one is.
 */
import { close, pipe, read, write } from "../ffi/descriptor.ts";

export class SignalInbox implements Disposable {
  readonly #arrived = new Set<Deno.Signal>();
  readonly #listeners: (() => void)[] = [];
  readonly #pipe = pipe();
  #onArrival: (() => void) | undefined;
  #woken = false;

  /** Listen from now on, in place of the signals' default actions. */
  constructor(signals: readonly Deno.Signal[]) {
    for (const signal of signals) {
      const listener = () => this.#arrive(signal);
      Deno.addSignalListener(signal, listener);
      this.#listeners.push(() => Deno.removeSignalListener(signal, listener));
    }
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

  /** Whoever was to be woken is awake. */
  settle(): void {
    if (this.#woken) read(this.#pipe.readEnd, new Uint8Array(1));
    this.#woken = false;
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

  [Symbol.dispose](): void {
    for (const remove of this.#listeners.splice(0)) remove();
    close(this.#pipe.readEnd);
    close(this.#pipe.writeEnd);
  }

  #arrive(signal: Deno.Signal): void {
    this.#arrived.add(signal);
    this.wake();
    this.#onArrival?.();
  }
}
