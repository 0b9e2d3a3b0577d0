/** The bytes as they are. Pure. */
import type { WatchEvent } from "../engine.ts";
import { type Format, reddenedBytes } from "./format.ts";

export class RawFormat implements Format {
  /** `red`: whether what goes to the target's stderr is shown in red. */
  constructor(readonly red: boolean) {}

  begin(): undefined {}

  event(event: WatchEvent): Uint8Array<ArrayBuffer> | undefined {
    if (event.kind !== "output" && event.kind !== "input") return undefined;
    return this.red && event.stream === 2 ? reddenedBytes(event.bytes) : event.bytes;
  }

  end(): undefined {}
}
