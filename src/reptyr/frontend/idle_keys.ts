/**
 * The keyboard of a terminal that programs come to and leave. Keys that mean a signal are for the programs on it. While
 * there are none the kernel would tell nobody: then they are for us and our job, as on the terminal that we run on.
 */
import { SyscallError } from "../../errors.ts";
import { SIGTSTP } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { foregroundGroup } from "../../tty/foreground.ts";
import type { Pty } from "../../tty/pty.ts";
import type { KeySource } from "../../tty/pump.ts";
import { SignalKeys } from "../../tty/signal_keys.ts";
import { getTermios } from "../../tty/termios.ts";
import type { UserTerminal } from "../../tty/user_terminal.ts";
import { signalOwnGroup } from "../gate/gate.ts";
import type { TtyForeground } from "./tty_foreground.ts";

export interface IdleKeysOptions {
  readonly pty: Pty;
  readonly terminal: UserTerminal;
  readonly turn: TtyForeground;
}

export class IdleKeys implements KeySource {
  readonly listening = true;
  readonly hasHeld = false;
  readonly #options: IdleKeysOptions;
  readonly #keys = new SignalKeys();
  #signal: number | undefined;

  constructor(options: IdleKeysOptions) {
    this.#options = options;
  }

  /** As UserTerminal.readFrom, without a key that is for us and what was typed with it. */
  readonly read = (fd: number, bytes: Uint8Array<ArrayBuffer>): number => {
    const count = this.#options.terminal.readFrom(fd, bytes);
    if (count <= 0) return count;
    const key = this.#findKey(bytes.subarray(0, count));
    if (key === undefined || !this.#isUnused()) return count;
    this.#signal = key.signal;
    return key.index === 0 ? -ERRNO.EAGAIN : key.index;
  };

  readonly beforeWait = (): void => {
    const signal = this.#signal;
    this.#signal = undefined;
    if (signal === SIGTSTP) this.#options.turn.stop();
    else if (signal !== undefined) signalOwnGroup(signal);
  };

  #findKey(bytes: Uint8Array) {
    try {
      this.#keys.learn(getTermios(this.#options.pty.master));
      return this.#keys.find(bytes).next().value;
    } catch (error) {
      if (error instanceof SyscallError) return undefined;
      throw error;
    }
  }

  #isUnused(): boolean {
    return foregroundGroup(this.#options.pty.master) === undefined;
  }
}
