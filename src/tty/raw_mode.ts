/** The user's terminal while it serves another program: every byte passes unseen. */
import { ISIG, TCSETS2 } from "../ffi/constants.ts";
import { ioctlStruct } from "../ffi/descriptor.ts";
import { orThrow } from "../ffi/raw.ts";
import { setRaw } from "../log.ts";
import { isInForeground } from "./foreground.ts";
import { rawTermios, saneTermios, type Termios } from "./settings.ts";
import { getTermios, tryGetTermios } from "./termios.ts";

/** The user's terminal in raw mode, from `enter` until disposed of. */
export class RawMode implements Disposable {
  #active = false;
  #disposed = false;
  #handlesSignals = false;

  private constructor(
    readonly fd: number,
    readonly saved: Termios,
    readonly inputOnly: boolean,
  ) {}

  /**
   * `inputOnly`: for a terminal that is typed at, while the output goes elsewhere. Who else writes to it is not to
   * notice. Throws SyscallError when `fd` is no terminal.
   */
  static enter(fd: number, { inputOnly = false } = {}): RawMode {
    const mode = new RawMode(fd, getTermios(fd), inputOnly);
    orThrow(mode.#set(), `ioctl(${fd}, TCSETS2)`);
    return mode;
  }

  /** For input that is no terminal: never raw. */
  static none(): RawMode {
    const mode = new RawMode(-1, saneTermios(), true);
    mode.#disposed = true;
    return mode;
  }

  /**
   * Put the settings back for the time being. A terminal that is gone by now needs none, and neither does one that a
   * shell has by now: it has seen to its own, and would see us stopped by SIGTTOU.
   */
  suspend(): void {
    if (this.#active && isInForeground(this.fd)) ioctlStruct(this.fd, TCSETS2, this.saved);
    this.lose();
  }

  /** Another program has the terminal by now, with settings of its own: none are put back for the time being. */
  lose(): void {
    this.#active = false;
    setRaw(false);
  }

  /** Raw again, whatever the settings are by now, unless the terminal is gone. */
  resume(): void {
    if (!this.#disposed) this.#set();
  }

  /**
   * Whether keys that mean a signal do, as in the settings before; all that is typed else waits to be read. Not where a
   * shell has the terminal just now.
   */
  handleSignals(on: boolean): void {
    this.#handlesSignals = on;
    if (this.#active && isInForeground(this.fd)) this.#set();
  }

  /**
   * Whether another program, such as a shell that saw us stopped, has changed what has to be raw. Not of a terminal
   * that is gone.
   */
  get isUndone(): boolean {
    const now = this.#active ? tryGetTermios(this.fd) : undefined;
    if (now === undefined) return false;
    const raw = rawTermios(now, this.inputOnly);
    return now.get("c_iflag") !== raw.get("c_iflag") || now.get("c_oflag") !== raw.get("c_oflag") ||
      now.get("c_lflag") !== raw.get("c_lflag");
  }

  /** Put the settings back for good. */
  [Symbol.dispose](): void {
    this.suspend();
    this.#disposed = true;
  }

  #set(): number {
    const raw = rawTermios(this.saved, this.inputOnly);
    const signals = this.#handlesSignals ? this.saved.get("c_lflag") & ISIG : 0;
    const settings = raw.set("c_lflag", (raw.get("c_lflag") | signals) >>> 0);
    const result = ioctlStruct(this.fd, TCSETS2, settings);
    this.#active = result >= 0;
    setRaw(this.#active && !this.inputOnly);
    return result;
  }
}
