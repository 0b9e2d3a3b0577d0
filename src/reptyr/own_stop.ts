/**
 * Stopping ourselves as the kernel does at ^Z, and coming back: at once by `fg`, or some time after `bg`, which leaves
 * us running in the background of our terminal. credentials(7), setpgid(2). So too when another process has stopped us:
 * the shell that saw it has put its own settings on the terminal, and puts back none of ours.
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
  /** Called when our terminal is ours again, and raw. It has to end the pump's wait, in which nobody listened to it. */
  readonly onReturn: () => void;
}

export class OwnStop implements Disposable {
  readonly #options: OwnStopOptions;
  /** setpgid(2): nobody else can change the group of a program that runs. */
  readonly #group = readStat(Deno.pid)?.pgrp;
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
    else this.#awaitForeground();
  }

  /**
   * To be asked before each read(2) of the keyboard: in the background that would stop us, by SIGTTIN, and a key may be
   * there before {@linkcode onContinued} is called. Afterwards {@linkcode isInBackground} tells.
   */
  mayRead(): boolean {
    const { terminal, rawMode } = this.#options;
    if (this.isInBackground) return false;
    // A terminal that is not our controlling one has no foreground that we could be in.
    if (
      !terminal.keyboardIsTerminal || this.#isForeground() ||
      foregroundGroup(terminal.keyboard) === undefined
    ) return true;
    rawMode.lose();
    this.#awaitForeground();
    return false;
  }

  /** To be called after each SIGCONT: also when nobody had stopped us, or {@linkcode stop} has seen to it. */
  readonly onContinued = (): void => {
    if (this.mayRead() && this.#options.rawMode.isUndone) this.#return();
  };

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #awaitForeground(): void {
    const check = () => this.#isForeground() && this.#return();
    this.#timer = setInterval(check, FOREGROUND_CHECK_MS);
  }

  #isForeground(): boolean {
    return foregroundGroup(this.#options.terminal.keyboard) === this.#group;
  }

  #return(): void {
    this[Symbol.dispose]();
    this.#options.rawMode.resume();
    this.#options.onReturn();
  }
}
