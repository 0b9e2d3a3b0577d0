/**
 * Pseudo-random bytes through a terminal at full rate: typed at its keyboard and compared on its screen.
 * The Terminal driver keeps all output as text; here a descriptor is read and written by hand.
 */
import { POLLHUP, POLLIN, POLLOUT } from "../../src/ffi/constants.ts";
import { PollSet, read, write } from "../../src/ffi/descriptor.ts";
import { ERRNO } from "../../src/ffi/errno.ts";
import type { Terminal } from "./terminal.ts";

/** States that `input_bytes.c` starts from: what it compares, and what it writes. */
export const TYPED_SEED = 88172645463325252n;
export const WRITTEN_SEED = 362436069362436069n;

const latin1 = new TextDecoder("latin1");

const PIECE = 1 << 16;
const TIMEOUT_MS = 60_000;

/** Marsaglia's xorshift64, one byte of each number. In halves of 32 bits: BigInt would be slow. */
export class Sequence {
  #high: number;
  #low: number;

  constructor(seed: bigint) {
    this.#high = Number(seed >> 32n) >>> 0;
    this.#low = Number(seed & 0xffff_ffffn);
  }

  fill(bytes: Uint8Array): void {
    let high = this.#high;
    let low = this.#low;
    for (let index = 0; index < bytes.length; index++) {
      const leftHigh = (high << 13) | (low >>> 19);
      low ^= low << 13;
      high ^= leftHigh;
      const rightLow = (low >>> 7) | (high << 25);
      high ^= high >>> 7;
      low ^= rightLow;
      const left = (high << 17) | (low >>> 15);
      low ^= low << 17;
      high ^= left;
      bytes[index] = low >>> 24;
    }
    this.#high = high;
    this.#low = low;
  }
}

export interface StreamOptions {
  /** How many bytes to type. */
  readonly type?: number;
  /** How many bytes of the screen to compare. */
  readonly compare?: number;
  /** Called once when this many bytes have come: for a reader that stops for a while. */
  readonly pauseAt?: number;
  readonly onPause?: () => void;
}

/**
 * Type `go`, then `type` bytes, and read `compare` bytes.
 * Where and how what came first differs from what was to come; `undefined` when all is as it should be.
 */
export function stream(
  { master }: Terminal,
  { type = 0, compare = 0, pauseAt = Infinity, onPause = () => {} }: StreamOptions,
): string | undefined {
  const typing = new Sequence(TYPED_SEED);
  const wanting = new Sequence(WRITTEN_SEED);
  const got = new Uint8Array(PIECE);
  const wanted = new Uint8Array(PIECE);
  let piece = new Uint8Array(0);
  let typed = 0;
  let compared = 0;
  let paused = false;
  // Not by the driver: that would take the first of what comes back.
  if (write(master, new TextEncoder().encode("go\n")) !== 3) throw new Error("Cannot type `go`");
  const set = new PollSet(1);
  while (typed < type || compared < compare) {
    set.watch(0, master, (compared < compare ? POLLIN : 0) | (typed < type ? POLLOUT : 0));
    if (set.poll(TIMEOUT_MS) === 0) {
      throw new Error(`Nothing moved for a minute: ${typed} typed, ${compared} compared`);
    }
    const hungUp = (set.reported(0) & POLLHUP) !== 0;
    if (compared < compare) {
      const count = read(master, got.subarray(0, Math.min(PIECE, compare - compared)));
      if (count < 0 && (hungUp || count !== -ERRNO.EAGAIN)) {
        throw new Error(`read answers ${count} after ${compared} bytes`);
      }
      const fresh = wanted.subarray(0, Math.max(count, 0));
      wanting.fill(fresh);
      for (let index = 0; index < fresh.length; index++) {
        if (got[index] !== fresh[index]) {
          const shown = got.subarray(index, Math.min(index + 40, count));
          return `Byte ${compared + index} is the first of ${JSON.stringify(latin1.decode(shown))}`;
        }
      }
      compared += fresh.length;
      if (!paused && compared >= pauseAt) {
        paused = true;
        onPause();
      }
    }
    if (typed < type) {
      if (piece.length === 0) {
        piece = new Uint8Array(Math.min(PIECE, type - typed));
        typing.fill(piece);
      }
      const count = write(master, piece);
      if (count > 0) {
        piece = piece.subarray(count);
        typed += count;
      } else if (hungUp || count !== -ERRNO.EAGAIN) {
        throw new Error(`write answers ${count} after ${typed} bytes`);
      }
    }
  }
  return undefined;
}
