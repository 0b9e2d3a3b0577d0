/**
 * The bytes between the user's terminal and the pty, until it is over with the processes behind it, the
 * terminal goes away, or a signal asks to stop.
 */
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from "../ffi/constants.ts";
import { PollSet, read, write } from "../ffi/descriptor.ts";
import { ERRNO } from "../ffi/errno.ts";
import { pollOnOtherThread } from "../ffi/threads.ts";
import { Channel, type Transfer } from "./channel.ts";
import type { SignalInbox } from "./signal_inbox.ts";
import type { UserTerminal } from "./user_terminal.ts";

export interface PumpOptions<Ending extends Deno.Signal> {
  /** Never blocks, so that a stopped screen stops nothing else. */
  readonly terminal: UserTerminal;
  readonly keySource: KeySource;
  readonly turn: Turn;
  /** Called with all that was written to the screen. */
  readonly onShown: (bytes: Uint8Array) => void;
  /**
   * Called with the error number when the screen does not take `count` bytes: whether they are dropped. Otherwise the
   * screen is gone.
   */
  readonly onUnwritable?: ((errno: number, count: number) => boolean) | undefined;
  /** The pty's master, nonblocking. */
  readonly master: number;
  /** Whether the processes on the terminal have ended: then what they wrote is passed on, and that is all. */
  readonly isOver: () => boolean;
  readonly signals: SignalInbox;
  /** These end the pumping. */
  readonly endingSignals: readonly Ending[];
  /** Called after SIGWINCH: the user's terminal may have another size. */
  readonly onResize: () => void;
  readonly watches: readonly Watch[];
  /**
   * Called when no process has the slave open any more. Whether to go on: then the slave must have been opened
   * again, or a reader of the master would be woken without end.
   */
  readonly onAbandoned: () => boolean;
}

/** Who reads the keyboard for the pump. */
export interface KeySource {
  /** Whether the keyboard is to be read just now. */
  readonly listening: boolean;
  /** Whether there are bytes that were read and held back, for {@linkcode read} to give. */
  readonly hasHeld: boolean;
  /** As UserTerminal.readFrom. */
  readonly read: Transfer;
  /** Called before each wait. `isIdle`: all that was read has been passed on. */
  readonly beforeWait: (isIdle: boolean) => void;
}

/** Whose the keyboard is just now: a shell that we are a job of may have it. */
export interface Turn {
  /** Whether it was ours when it was last looked at. */
  readonly isOurs: boolean;
  /** Whether it is, asked before each read(2). */
  checkForeground(): boolean;
  /** Called after SIGCONT: while we were stopped the keyboard was another program's, and may be still. */
  onContinued(): void;
}

/** A further descriptor to look at, and what to do, once, when it is readable. */
export interface Watch {
  readonly fd: number;
  readonly onReadable: () => void;
}

/** Why the pumping ended. */
export type PumpEnd<Ending extends Deno.Signal> =
  | { readonly reason: "over" }
  | { readonly reason: "terminal gone" }
  | { readonly reason: "screen gone" }
  | { readonly reason: "pty abandoned" }
  | { readonly reason: "signal"; readonly signal: Ending };

/**
 * poll(2) on this thread wakes in microseconds, on another one in about a tenth of a millisecond; but
 * while it blocks this thread no signal listener runs. So: on this thread, a slice at a time, as long
 * as bytes have passed lately; on another one, without end, when all is quiet.
 */
const SLICE_MS = 100;
const QUIET_AFTER_MS = 1000;

/**
 * One turn of the event loop in which listeners run, and timers whose time has come: those rest as long as nothing is
 * waited for but what is ready at once, such as a poll(2) on another thread.
 */
function timersTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** How long a listener may take to run after its signal broke a poll(2): a few milliseconds. */
const LISTENER_MS = 50;

/** Threads that have to be reserved for a pump: reserveThreads(). */
export const PUMP_THREADS = 1;

const KEYBOARD = 0;
const MASTER = 1;
const SCREEN = 2;
const SIGNALS = 3;
const WATCHES = 4;

/** Run until a {@linkcode PumpEnd}. All that was written before it was over has been passed on then. */
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
    this.#typed = new Channel(terminal.keyboard, master, options.keySource.read, write);
    this.#shown = new Channel(master, terminal.screen, read, this.#show);
    this.#watches = [...options.watches];
    this.#poll = new PollSet(WATCHES + this.#watches.length);
  }

  async run(): Promise<PumpEnd<Ending>> {
    const { signals, endingSignals, onResize, turn, keySource } = this.#options;
    for (;;) {
      if (signals.hasAny) {
        const signal = signals.takeAny(endingSignals);
        if (signal !== undefined) return { reason: "signal", signal };
        if (signals.take("SIGCONT")) turn.onContinued();
        if (signals.take("SIGWINCH")) onResize();
      }
      keySource.beforeWait(this.#typed.pending === 0);

      this.#watch();
      await this.#wait();
      signals.settle();
      this.#notifyWatches();
      const reason = this.#transfer();
      if (reason !== undefined) return { reason };
    }
  }

  readonly #show: Transfer = (fd, bytes) => {
    const { terminal, onShown, onUnwritable } = this.#options;
    const count = terminal.writeTo(fd, bytes);
    if (count > 0) onShown(bytes.subarray(0, count));
    if (count >= 0 || count === -ERRNO.EAGAIN || count === -ERRNO.EINTR) return count;
    return onUnwritable?.(-count, bytes.length) === true ? bytes.length : count;
  };

  #watch(): void {
    const { master, signals, turn, keySource } = this.#options;
    const { keyboard, keyboardIsTerminal, screen, screenHasReader } = this.#options.terminal;
    const poll = this.#poll;
    // Also without POLLIN: a terminal that hangs up is to be noticed while it is not read. A pipe that has come to
    // its end says so for ever.
    const reading = turn.isOurs && keySource.listening && this.#typed.pending === 0;
    poll.watch(KEYBOARD, reading || keyboardIsTerminal ? keyboard : -1, reading ? POLLIN : 0);
    // An abandoned master reports POLLHUP without end, which has to wait until the screen has taken all.
    const masterEvents = (this.#shown.pending === 0 ? POLLIN : 0) |
      (this.#typed.pending > 0 ? POLLOUT : 0);
    poll.watch(MASTER, masterEvents === 0 ? -1 : master, masterEvents);
    // A file or a device tells of no reader's end; one that reports an error would do so without end.
    const waiting = this.#shown.pending > 0;
    poll.watch(SCREEN, screenHasReader || waiting ? screen : -1, waiting ? POLLOUT : 0);
    poll.watch(SIGNALS, signals.descriptor, POLLIN);
    this.#watches.forEach((watch, index) => poll.watch(WATCHES + index, watch?.fd ?? -1, POLLIN));
  }

  get #hasHeld(): boolean {
    return this.#options.turn.isOurs && this.#options.keySource.hasHeld;
  }

  async #wait(): Promise<void> {
    if (this.#hasHeld && this.#typed.pending === 0) {
      this.#poll.poll(0);
      return;
    }
    const now = performance.now();
    const left = SLICE_MS - (now - this.#lastTurn);
    if (left > 0) {
      const ready = this.#poll.poll(Math.ceil(left));
      if (ready > 0) return;
      if (ready === -ERRNO.EINTR) await this.#options.signals.arrival(LISTENER_MS);
    }
    if (performance.now() - this.#lastTransfer > QUIET_AFTER_MS) {
      await pollOnOtherThread(this.#poll);
    } else {
      await timersTurn();
      this.#poll.poll(0);
    }
    this.#lastTurn = performance.now();
  }

  /** Move what can be moved; why the pumping is over, if it is. */
  #transfer(): Exclude<PumpEnd<Ending>["reason"], "signal"> | undefined {
    const poll = this.#poll;
    const typing = (poll.reported(KEYBOARD) !== 0 || this.#hasHeld) &&
      this.#options.turn.checkForeground();
    const over = this.#options.isOver();
    const showing = poll.reported(MASTER) !== 0 || over;
    const before = this.#typed.passed + this.#shown.passed;
    const keyboard = typing ? this.#typed.fill() : "again";
    this.#typed.drain();
    // Reading the master first waits for what is still in the kernel's flip buffers, n_tty_read(): so
    // all that was written before the end has come when there is nothing more to read. EIO, the
    // end of a master, comes after the last byte too.
    const master = showing ? this.#shown.fill(over) : "again";
    const screen = this.#shown.drain();
    if (this.#typed.passed + this.#shown.passed !== before) this.#lastTransfer = performance.now();
    if (keyboard === "end") return "terminal gone";
    if (screen === "end") return "screen gone";
    if (master === "full" || this.#shown.pending > 0) return undefined;
    if (over) return "over";
    if ((poll.reported(SCREEN) & (POLLERR | POLLHUP)) !== 0) return "screen gone";
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
