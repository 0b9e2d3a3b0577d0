/**
 * Signal keys that this program acts upon in the place of the line discipline, n_tty_receive_signal_char() in
 * drivers/tty/n_tty.c. The line discipline signals, discards what the terminal holds, and echoes the key, with no other
 * process signalled in between. Here the order is another one, discard, echo, and all signals afterwards:
 * docs/kernel-notes.md#a-signal-key-discards-output.
 */
import { SyscallError } from "../errors.ts";
import {
  IXON,
  NOFLSH,
  O_NONBLOCK,
  O_WRONLY,
  POLLOUT,
  TCFLSH,
  TCIOFLUSH,
  TCOOFF,
  TCOON,
  TCXONC,
} from "../ffi/constants.ts";
import { close, ioctl, PollSet, write } from "../ffi/descriptor.ts";
import { ERRNO } from "../ffi/errno.ts";
import type { Pty } from "./pty.ts";
import { echoOf } from "./signal_keys.ts";
import { tryGetTermios } from "./termios.ts";

export class TakenKeys {
  readonly #pty: Pty;
  /** Echoes that the terminal has not taken yet. */
  #echo: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  constructor(pty: Pty) {
    this.#pty = pty;
  }

  /** All that the line discipline does for `key`, but for the signal. */
  take(key: number): void {
    const settings = tryGetTermios(this.#pty.master);
    if (settings === undefined) return;
    this.#echo = Uint8Array.of(...this.#echo, ...echoOf(key, settings));
    this.#withSlave((slave) => {
      if ((settings.get("c_lflag") & NOFLSH) === 0) ioctl(slave, TCFLSH, TCIOFLUSH);
      if ((settings.get("c_iflag") & IXON) !== 0 && !isWritable(slave)) restart(slave);
      this.#writeEcho(slave);
    });
  }

  /**
   * Write what is left of the echoes. A program that is blocked in a write(2) to the terminal keeps other writers out, and
   * only the line discipline's own echo passes it by. Called from time to time.
   */
  retryEcho(): void {
    if (this.#echo.length > 0) this.#withSlave((slave) => this.#writeEcho(slave));
  }

  #writeEcho(slave: number): void {
    if (this.#echo.length === 0) return;
    const count = write(slave, this.#echo);
    if (count > 0) this.#echo = this.#echo.slice(count);
    else if (count !== -ERRNO.EAGAIN) this.#echo = new Uint8Array(0);
  }

  /** A slave that cannot be opened, for want of descriptors, costs an echo, and no signal. */
  #withSlave(use: (slave: number) => void): void {
    let slave;
    try {
      slave = this.#pty.openSlave(O_WRONLY | O_NONBLOCK);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return;
    }
    try {
      use(slave);
    } finally {
      close(slave);
    }
  }
}

/** No room, a blocked writer, or an output that VSTOP has stopped: poll(2) tells these alike, n_tty_poll(). */
function isWritable(slave: number): boolean {
  const set = new PollSet(1);
  set.watch(0, slave, POLLOUT);
  return set.poll(0) > 0 && (set.reported(0) & POLLOUT) !== 0;
}

/** TCOON alone starts only what TCOOFF has stopped. */
function restart(slave: number): void {
  ioctl(slave, TCXONC, TCOOFF);
  ioctl(slave, TCXONC, TCOON);
}
