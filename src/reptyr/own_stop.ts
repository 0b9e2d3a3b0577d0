/**
 * Stopping ourselves as the kernel does at ^Z, and coming back: at once by `fg`, or some time after `bg`, which leaves
 * us running in the background of our terminal. credentials(7), setpgid(2).
 */
import { SIGTSTP } from "../ffi/constants.ts";
import { kill } from "../ffi/process.ts";
import { readStat } from "../proc/stat.ts";
import { foregroundGroup } from "../tty/foreground.ts";
import type { RawMode } from "../tty/raw_mode.ts";
import type { UserTerminal } from "../tty/user_terminal.ts";

/** In the background: how often to look whether the shell has put us in the foreground again. No signal tells. */
const FOREGROUND_CHECK_MS = 200;

export interface OwnStopOptions {
  readonly terminal: UserTerminal;
  readonly rawMode: RawMode;
  /** Called when our terminal is ours again, and raw. */
  readonly onReturn: () => void;
}

export class OwnStop implements Disposable {
  readonly #options: OwnStopOptions;
  #timer: number | undefined;

  constructor(options: OwnStopOptions) {
    this.#options = options;
  }

  /** Whether we go on without having our terminal back. */
  get isInBackground(): boolean {
    return this.#timer !== undefined;
  }

  /** Stop, with our whole group as the kernel would; returns when we are continued. */
  stop(): void {
    this.#options.rawMode.suspend();
    kill(0, SIGTSTP);

    if (this.#isForeground()) this.#return();
    else {
      const check = () => this.#isForeground() && this.#return();
      this.#timer = setInterval(check, FOREGROUND_CHECK_MS);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #isForeground(): boolean {
    return foregroundGroup(this.#options.terminal.keyboard) === readStat(Deno.pid)?.pgrp;
  }

  #return(): void {
    this[Symbol.dispose]();
    this.#options.rawMode.resume();
    this.#options.onReturn();
  }
}
