/**
 * Bytes on their way from one descriptor to another. Both ends are nonblocking: a slow receiver
 * fills the channel, a full channel is not read into, and so the sender is held back by its kernel.
 * No byte is dropped, and none overtakes another.
 */
import { ERRNO } from "../ffi/errno.ts";

const CAPACITY = 1 << 16;

/**
 * `again`: the descriptor has or takes nothing more for now. `full`: the channel has no room, though
 * there may be more. `end`: end of file, or the other side is gone.
 */
export type Progress = "again" | "full" | "end";

/** read(2) or write(2) with a raw result: a count, or a negated errno. Must not block. */
export type Transfer = (fd: number, bytes: Uint8Array<ArrayBuffer>) => number;

export class Channel {
  readonly #bytes = new Uint8Array(CAPACITY);
  #start = 0;
  #end = 0;
  #passed = 0;

  constructor(
    readonly source: number,
    readonly sink: number,
    readonly readFrom: Transfer,
    readonly writeTo: Transfer,
  ) {}

  /** How many bytes wait to be written. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /** How many bytes have been written so far. */
  get passed(): number {
    return this.#passed;
  }

  /**
   * Read once; poll(2) tells whether there is more, and what came is on its way meanwhile. When `thorough`, read until
   * the source has no more or the channel is full.
   */
  fill(thorough = false): Progress {
    while (this.#end < CAPACITY) {
      const count = this.readFrom(this.source, this.#bytes.subarray(this.#end));
      if (count > 0) {
        this.#end += count;
        if (!thorough) return "again";
      } else if (count !== -ERRNO.EINTR) return count === -ERRNO.EAGAIN ? "again" : "end";
    }
    return "full";
  }

  /** Write until nothing waits or the sink takes no more. */
  drain(): Progress {
    while (this.pending > 0) {
      const count = this.writeTo(this.sink, this.#bytes.subarray(this.#start, this.#end));
      if (count >= 0) {
        this.#start += count;
        this.#passed += count;
      } else if (count !== -ERRNO.EINTR) return count === -ERRNO.EAGAIN ? "again" : "end";
    }
    this.#start = this.#end = 0;
    return "again";
  }
}
