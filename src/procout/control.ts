/** The signals to this program, and what else ends a watch, as an engine asks for them. */
import { SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH } from "../ffi/constants.ts";
import { interruptCallsBy } from "../ffi/interruption.ts";
import { stopSelf } from "../ffi/self_stop.ts";
import { inheritedIgnored } from "../proc/inherited_signals.ts";
import { hasSignal } from "../proc/status.ts";
import { SignalInbox } from "../tty/signal_inbox.ts";
import type { Control } from "./engine.ts";

// A global of Deno's that its types do not name.
declare const setImmediate: (callback: () => void) => unknown;

/** How long a listener may take to run after its signal broke a call. */
const LISTENER_MS = 50;

const NUMBERS = {
  SIGALRM,
  SIGHUP,
  SIGINT,
  SIGQUIT,
  SIGTERM,
  SIGTSTP,
  SIGWINCH,
} as const satisfies Partial<Record<Deno.Signal, number>>;

export type ControlSignal = keyof typeof NUMBERS;

export interface ControlOptions {
  /** What to do about each signal that is listened for. */
  readonly onSignal: Partial<Readonly<Record<ControlSignal, "stop" | "suspend" | (() => void)>>>;
  /** Whether there is another reason to stop. */
  readonly isOver: () => boolean;
  /** What somebody has to empty, as long as there is nothing else to do. */
  readonly drain?: Drain;
  /** Settles when {@linkcode isOver} may have changed while there was nothing to do. */
  readonly over?: () => Promise<unknown>;
}

export interface Drain {
  readonly drainOnce: (() => void) | undefined;
  empty(): void;
  filled(): Promise<unknown> | undefined;
}

export class SignalControl implements Control {
  readonly #options: ControlOptions;
  readonly #signals: ControlSignal[];
  readonly #inbox: SignalInbox;
  #filled: Promise<unknown> | undefined;
  #over: Promise<unknown> | undefined;
  /** The signal that asked for the end. */
  stoppedBy: ControlSignal | undefined;
  #suspendedBy: ControlSignal | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
    const ignored = inheritedIgnored();
    // Who starts a program with a stop signal ignored wants it not to stop.
    const wanted = (Object.keys(options.onSignal) as ControlSignal[]).filter((signal) =>
      options.onSignal[signal] !== "suspend" || !hasSignal(ignored, NUMBERS[signal])
    );
    this.#signals = [...wanted, "SIGALRM"];
    this.#inbox = new SignalInbox(this.#signals);
    for (const signal of this.#signals) interruptCallsBy(NUMBERS[signal]);
  }

  get stopping(): boolean {
    if (this.#inbox.hasAny) this.#act();
    return this.stoppedBy !== undefined || this.#options.isOver();
  }

  get suspending(): boolean {
    if (this.#inbox.hasAny) this.#act();
    return this.#suspendedBy !== undefined;
  }

  suspend(): void {
    const signal = this.#suspendedBy;
    if (signal === undefined) return;
    this.#suspendedBy = undefined;
    stopSelf(NUMBERS[signal]);
  }

  stay(): void {
    this.#suspendedBy = undefined;
  }

  async turn(interrupted: boolean): Promise<void> {
    if (interrupted) await this.#inbox.arrival(LISTENER_MS);
    // On this thread: a call on another one waits for ever where that cannot be started.
    else await new Promise<void>((resolve) => setImmediate(resolve));
    this.#act();
  }

  async sleep(until: Promise<unknown>): Promise<void> {
    const drain = this.#options.drain;
    // One promise for each time it fills up, so that what waits for it does not pile up.
    this.#filled ??= drain?.filled()?.finally(() => {
      this.#filled = undefined;
      this.#inbox.wakeSleeper();
    });
    this.#over ??= this.#options.over?.().finally(() => {
      this.#over = undefined;
      this.#inbox.wakeSleeper();
    });
    await this.#inbox.arrivalOr(until);
    drain?.empty();
  }

  get drainOnce(): (() => void) | undefined {
    return this.#options.drain?.drainOnce;
  }

  #act(): void {
    this.#inbox.settle();
    for (const signal of this.#signals) {
      if (!this.#inbox.take(signal)) continue;
      const action = this.#options.onSignal[signal];
      if (action === "stop") this.stoppedBy ??= signal;
      else if (action === "suspend") this.#suspendedBy = signal;
      else action?.();
    }
  }
}
