/** Stopping this program as a signal's default action would: sigaction(2), signal(7). */
import { SIG_DFL } from "./constants.ts";
import { libc } from "./libc.ts";
import { kill } from "./process.ts";
import { sigactionOfLibc } from "./structs.ts";
import { Struct } from "../struct.ts";

/** A signal that has a handler, which can be put in place of the default action and taken away again: sigaction(2). */
export class SwitchedHandler {
  readonly #handler = new Struct(sigactionOfLibc);
  readonly #signal: number;

  /** The default action holds at first. */
  constructor(signal: number) {
    this.#signal = signal;
    libc().sigaction(signal, null, this.#handler.bytes);
    this.set(false);
  }

  set(on: boolean): void {
    const byDefault = new Struct(sigactionOfLibc).set("__sigaction_handler.sa_handler", SIG_DFL);
    libc().sigaction(this.#signal, on ? this.#handler.bytes : byDefault.bytes, null);
  }
}

/**
 * Stop by `signal`, which has a handler that stays; returns when this program is continued. The parent sees the stop, as
 * it would not see one that a handler waits in. In an orphaned group, and as the first process of a PID namespace, the
 * kernel drops the signal, and this returns at once.
 */
export function stopSelf(signal: number): void {
  const handler = new Struct(sigactionOfLibc);
  const { sigaction } = libc();
  if (sigaction(signal, null, handler.bytes) !== 0) return;
  const byDefault = new Struct(sigactionOfLibc).set("__sigaction_handler.sa_handler", SIG_DFL);
  sigaction(signal, byDefault.bytes, null);
  // This is the main thread, which the kernel prefers: it stops on its way out of the call.
  kill(Deno.pid, signal);
  sigaction(signal, handler.bytes, null);
}
