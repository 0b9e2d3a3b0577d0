/** The user's terminal while it serves another program: every byte passes unseen. */
import { TCSETS2 } from "../ffi/constants.ts";
import { ioctlStruct } from "../ffi/descriptor.ts";
import { setRaw } from "../log.ts";
import { rawTermios, type Termios } from "./settings.ts";
import { getTermios, setTermios } from "./termios.ts";

/** The user's terminal in raw mode, from `enter` until disposed of. */
export class RawMode implements Disposable {
  #active = false;
  #disposed = false;

  private constructor(readonly fd: number, readonly saved: Termios) {}

  /** Throws SyscallError when `fd` is no terminal. */
  static enter(fd: number): RawMode {
    const mode = new RawMode(fd, getTermios(fd));
    mode.resume();
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
    setTermios(this.fd, rawTermios(this.saved));
    this.#active = true;
    setRaw(true);
  }

  /** Put the settings back for good. */
  [Symbol.dispose](): void {
    this.suspend();
    this.#disposed = true;
  }
}
