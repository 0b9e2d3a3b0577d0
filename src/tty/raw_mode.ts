/** The user's terminal while it serves another program: every byte passes unseen. */
import { TCSETS2 } from "../ffi/constants.ts";
import { ioctlStruct } from "../ffi/descriptor.ts";
import { setRaw } from "../log.ts";
import { rawTermios, saneTermios, type Termios } from "./settings.ts";
import { getTermios, setTermios } from "./termios.ts";

/** The user's terminal in raw mode, from `enter` until disposed of. */
export class RawMode implements Disposable {
  #active = false;
  #disposed = false;

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
    mode.resume();
    return mode;
  }

  /** Where nobody types: never raw. */
  static none(): RawMode {
    const mode = new RawMode(-1, saneTermios(), true);
    mode.#disposed = true;
    return mode;
  }

  /** Put the settings back for the time being. A terminal that is gone by now needs none. */
  suspend(): void {
    if (this.#active) ioctlStruct(this.fd, TCSETS2, this.saved);
    this.#active = false;
    setRaw(false);
  }

  /** Raw again. Throws SyscallError. */
  resume(): void {
    if (this.#active || this.#disposed) return;
    setTermios(this.fd, rawTermios(this.saved, this.inputOnly));
    this.#active = true;
    setRaw(!this.inputOnly);
  }

  /** Put the settings back for good. */
  [Symbol.dispose](): void {
    this.suspend();
    this.#disposed = true;
  }
}
