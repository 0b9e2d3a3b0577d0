/**
 * Whether the user's terminal is ours or that of the shell that we are a job of. credentials(7), setpgid(2).
 *
 * It is the shell's when we have stopped ourselves, as the kernel does at ^Z, and when another process has stopped us. It
 * is ours again by `fg`, at once or some time after `bg`, which leaves us running in the background. A shell may have
 * changed its settings meanwhile: docs/kernel-notes.md#a-shell-and-the-terminal-of-a-stopped-job.
 */
import { SIGTSTP } from "../../ffi/constants.ts";
import { isInForeground } from "../../tty/foreground.ts";
import type { RawMode } from "../../tty/raw_mode.ts";
import type { UserTerminal } from "../../tty/user_terminal.ts";
import { signalOwnGroup } from "../gate/gate.ts";
import type { ScreenKeeper } from "./screen_keeper.ts";

/** In the background: how often to look whether the shell has put us in the foreground again. No signal tells. */
const FOREGROUND_CHECK_MS = 200;

export interface TtyForegroundOptions {
  readonly terminal: UserTerminal;
  readonly rawMode: RawMode;
  readonly screen: ScreenKeeper;
  /** Make the programs paint their screen again: it shows something else, and the size may be another. */
  readonly repaint: () => void;
  /** Ends the pump's wait, in which the keyboard was not listened to. */
  readonly wake: () => void;
}

export class TtyForeground implements Disposable {
  readonly #options: TtyForegroundOptions;
  #timer: number | undefined;
  /** The next SIGCONT is that which ended {@linkcode stop}. */
  #isAwaited = false;

  constructor(options: TtyForegroundOptions) {
    this.#options = options;
  }

  /** Whether it was ours when it was last looked at. */
  get isOurs(): boolean {
    return this.#timer === undefined;
  }

  /** Stop, with our whole group as the kernel would; returns when we are continued. */
  stop(): void {
    const { rawMode, screen } = this.#options;
    screen.reset();
    rawMode.suspend();
    this.#isAwaited = true;
    signalOwnGroup(SIGTSTP);

    if (this.#isForeground()) this.#takeBack();
    else this.#awaitForeground();
  }

  /**
   * To be called before each read(2) of the keyboard, for leave to make it. In the background that would stop us, by
   * SIGTTIN; and after `bg` a key may be there before {@linkcode onContinued} is called.
   */
  checkForeground(): boolean {
    if (this.#isForeground()) return true;
    if (this.isOurs) {
      this.#options.rawMode.lose();
      this.#options.screen.reset();
      this.#awaitForeground();
    }
    return false;
  }

  /**
   * To be called after each SIGCONT. The one after {@linkcode stop} has no news, but need not come: the kernel keeps
   * SIGTSTP from the first process of a PID namespace. So the settings are asked as well.
   */
  readonly onContinued = (): void => {
    const isAwaited = this.#isAwaited;
    this.#isAwaited = false;
    if (this.checkForeground() && (!isAwaited || this.#options.rawMode.isUndone)) this.#takeBack();
  };

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #awaitForeground(): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      if (this.#isForeground()) this.#takeBack();
    }, FOREGROUND_CHECK_MS);
  }

  #isForeground(): boolean {
    return isInForeground(this.#options.terminal.keyboard);
  }

  #takeBack(): void {
    this[Symbol.dispose]();
    const { rawMode, screen, repaint, wake } = this.#options;
    rawMode.resume();
    screen.restore();
    repaint();
    wake();
  }
}
