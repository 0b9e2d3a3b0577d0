/** The keyboard of a terminal whose programs have job control of their own: keys pass as they are. */
import { ERRNO } from "../ffi/errno.ts";
import type { Transfer } from "../tty/channel.ts";
import type { Typist } from "../tty/pump.ts";
import { OwnStop, type OwnStopOptions } from "./own_stop.ts";

export interface PlainKeysOptions extends OwnStopOptions {
  /** As of {@linkcode Typist}. */
  readonly beforeWait: () => void;
}

export class PlainKeys implements Typist, Disposable {
  readonly hasHeld = false;
  readonly beforeWait: () => void;
  readonly #readFrom: Transfer;
  readonly #ownStop: OwnStop;

  constructor(options: PlainKeysOptions) {
    this.#readFrom = options.terminal.readFrom;
    this.beforeWait = options.beforeWait;
    this.#ownStop = new OwnStop(options);
  }

  get listening(): boolean {
    return !this.#ownStop.isInBackground;
  }

  /** As UserTerminal.readFrom. */
  readonly read: Transfer = (fd, bytes) =>
    this.#ownStop.mayRead() ? this.#readFrom(fd, bytes) : -ERRNO.EAGAIN;

  readonly onContinued = (): void => this.#ownStop.onContinued();

  [Symbol.dispose](): void {
    this.#ownStop[Symbol.dispose]();
  }
}
