/** The bytes as they are. Pure. */
import { ScreenModes } from "../../tty/screen_modes.ts";
import type { WatchEvent } from "../engine.ts";
import { encode, type Format, reddenedBytes } from "./format.ts";

export class RawFormat implements Format {
  readonly #modes: ScreenModes | undefined;

  /**
   * `red`: whether what goes to the target's stderr is shown in red. `shown`: whether it is shown on a terminal, which is
   * put right at the end, as the target goes on and does not.
   */
  constructor(readonly red: boolean, shown: boolean) {
    if (shown) this.#modes = new ScreenModes();
  }

  begin(): undefined {}

  event(event: WatchEvent): Uint8Array<ArrayBuffer> | undefined {
    if (event.kind !== "output" && event.kind !== "input") return undefined;
    this.#modes?.feed(event.bytes);
    return this.red && event.stream === 2 ? reddenedBytes(event.bytes) : event.bytes;
  }

  end(): Uint8Array<ArrayBuffer> | undefined {
    const reset = this.#modes?.reset ?? "";
    return reset === "" ? undefined : encode(reset);
  }
}
