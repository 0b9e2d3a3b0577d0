/**
 * The bytes between the user's terminal and the pty, until the process behind it ends, the terminal
 * goes away, or a signal asks to stop.
 */
import { POLLIN, POLLOUT } from "../ffi/constants.ts";
import { PollSet, read, write } from "../ffi/descriptor.ts";
import { ERRNO } from "../ffi/errno.ts";
import { Channel } from "./channel.ts";
import type { SignalInbox } from "./signal_inbox.ts";
import type { UserTerminal } from "./user_terminal.ts";

export interface PumpOptions<Ending extends Deno.Signal> {
  /** In raw mode. Never blocks, so that a stopped screen stops nothing else. */
  readonly terminal: UserTerminal;
  /** The pty's master, nonblocking. */
  readonly master: number;
  /** Readable when the process behind the pty has ended: pidfd_open(2). */
  readonly process: number;
  readonly signals: SignalInbox;
  /** These end the pumping. */
  readonly endingSignals: readonly Ending[];
  /** Called after SIGWINCH: the user's terminal may have another size. */
  readonly onResize: () => void;
  readonly watches: readonly Watch[];
  /**
   * Called when nobody has the slave open any more. Whether to go on: then the slave must have been opened
   * again, or a reader of the master would be woken without end.
   */
  readonly onAbandoned: () => boolean;
}

/** A further descriptor to look at, and what to do, once, when it is readable. */
export interface Watch {
  readonly fd: number;
  readonly onReadable: () => void;
}

/** Why the pumping ended. */
export type PumpEnd<Ending extends Deno.Signal> =
  | { readonly reason: "process ended" }
  | { readonly reason: "terminal gone" }
  | { readonly reason: "pty abandoned" }
  | { readonly reason: "signal"; readonly signal: Ending };

/**
 * poll(2) on this thread wakes in microseconds, on another one in about a tenth of a millisecond; but
 * while it blocks this thread no signal listener runs. So: on this thread, a slice at a time, as long
 * as bytes have passed lately; on another one, without end, when all is quiet.
 */
const SLICE_MS = 25;
const QUIET_AFTER_MS = 1000;

/** How long a listener may take to run after its signal broke a poll(2): a few milliseconds. */
const LISTENER_MS = 50;

const KEYBOARD = 0;
const MASTER = 1;
const SCREEN = 2;
const PROCESS = 3;
const SIGNALS = 4;
const WATCHES = 5;

/** Run until a {@linkcode PumpEnd}. All that the process wrote before it ended has been written then. */
export async function pump<Ending extends Deno.Signal>(
  options: PumpOptions<Ending>,
): Promise<PumpEnd<Ending>> {
  return await new Pump(options).run();
}

class Pump<Ending extends Deno.Signal> {
  readonly #options: PumpOptions<Ending>;
  readonly #typed: Channel;
  readonly #shown: Channel;
  readonly #poll: PollSet;
  readonly #watches: (Watch | undefined)[];
  #lastTransfer = performance.now();
  #lastTurn = performance.now();

  constructor(options: PumpOptions<Ending>) {
    this.#options = options;
    const { terminal, master } = options;
    this.#typed = new Channel(terminal.keyboard, master, terminal.readFrom, write);
    this.#shown = new Channel(master, terminal.screen, read, terminal.writeTo);
    this.#watches = [...options.watches];
    this.#poll = new PollSet(WATCHES + this.#watches.length);
  }

  async run(): Promise<PumpEnd<Ending>> {
    const { signals, endingSignals, onResize } = this.#options;
    for (;;) {
      const signal = signals.takeAny(endingSignals);
      if (signal !== undefined) return { reason: "signal", signal };
      if (signals.take("SIGWINCH")) onResize();

      this.#watch();
      await this.#wait();
      const reason = this.#transfer();
      if (reason !== undefined) return { reason };
      this.#notifyWatches();
    }
  }

  #watch(): void {
    const { terminal: { keyboard, screen }, master, process, signals } = this.#options;
    const poll = this.#poll;
    poll.watch(KEYBOARD, keyboard, this.#typed.pending === 0 ? POLLIN : 0);
    poll.watch(
      MASTER,
      master,
      (this.#shown.pending === 0 ? POLLIN : 0) | (this.#typed.pending > 0 ? POLLOUT : 0),
    );
    poll.watch(SCREEN, screen, this.#shown.pending > 0 ? POLLOUT : 0);
    // With a full screen the end has to wait, and would keep poll(2) from sleeping.
    poll.watch(PROCESS, process, this.#shown.pending === 0 ? POLLIN : 0);
    poll.watch(SIGNALS, signals.descriptor, POLLIN);
    this.#watches.forEach((watch, index) =>
      poll.watch(WATCHES + index, watch?.fd ?? -1, watch === undefined ? 0 : POLLIN)
    );
  }

  async #wait(): Promise<void> {
    const now = performance.now();
    const left = SLICE_MS - (now - this.#lastTurn);
    if (left > 0) {
      const ready = this.#poll.poll(Math.ceil(left));
      if (ready > 0) return;
      if (ready === -ERRNO.EINTR) await this.#options.signals.arrival(LISTENER_MS);
    }
    const quiet = performance.now() - this.#lastTransfer > QUIET_AFTER_MS;
    await this.#poll.pollAsync(quiet ? -1 : 0);
    this.#lastTurn = performance.now();
  }

  /** Move what can be moved; why the pumping is over, if it is. */
  #transfer(): "process ended" | "terminal gone" | "pty abandoned" | undefined {
    const poll = this.#poll;
    const typing = poll.reported(KEYBOARD) !== 0;
    const ended = poll.reported(PROCESS) !== 0;
    const showing = poll.reported(MASTER) !== 0 || ended;
    const taking = poll.reported(SCREEN) !== 0;
    if (typing || showing || taking) this.#lastTransfer = performance.now();

    const keyboard = typing ? this.#typed.fill() : "again";
    this.#typed.drain();
    // Reading the master first waits for what is still in the kernel's flip buffers, n_tty_read(): so
    // all that the process wrote before its end has come when there is nothing more to read. EIO, the
    // end of a master, comes after the last byte too.
    const master = showing ? this.#shown.fill() : "again";
    const screen = this.#shown.drain();
    if (keyboard === "end" || screen === "end") return "terminal gone";
    if (master === "full" || this.#shown.pending > 0) return undefined;
    if (ended) return "process ended";
    return master === "end" && !this.#options.onAbandoned() ? "pty abandoned" : undefined;
  }

  #notifyWatches(): void {
    this.#watches.forEach((watch, index) => {
      if (watch === undefined || this.#poll.reported(WATCHES + index) === 0) return;
      this.#watches[index] = undefined;
      watch.onReadable();
    });
  }
}
