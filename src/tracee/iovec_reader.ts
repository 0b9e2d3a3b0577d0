/**
 * Bytes out of a tracee's memory, gathered from one place or from many into one buffer that is used again and again:
 * process_vm_readv(2), or /proc/PID/mem where the kernel refuses that.
 */
import { libc } from "../ffi/libc.ts";
import { addressOf } from "../ffi/memory.ts";
import { iovec } from "../ffi/structs.ts";
import { readMemoryUpTo } from "./remote_memory.ts";

/** At most this many bytes come at once: all of what programs usually write in one call. */
const CAPACITY = 1 << 20;
/** UIO_MAXIOV: a call with more segments fails. */
const MAX_SEGMENTS = 1024;
const WORDS = iovec.size / 4;
const BASE = iovec.fields.iov_base[0] / 4;
const LENGTH = iovec.fields.iov_len[0] / 4;
const TWO_32 = 0x1_0000_0000;

export class IovecReader {
  readonly #buffer = new Uint8Array(CAPACITY);
  readonly #local = new Uint32Array(WORDS);
  readonly #localBytes = new Uint8Array(this.#local.buffer);
  readonly #segments = new Uint32Array(WORDS * MAX_SEGMENTS);
  readonly #segmentBytes = new Uint8Array(this.#segments.buffer);
  #count = 0;
  /** The first segment of which something is left. */
  #next = 0;

  constructor() {
    new BigUint64Array(this.#local.buffer)[0] = addressOf(this.#buffer);
  }

  /** One segment: `low` and `high` are the words of its address. */
  begin(low: number, high: number, length: number): void {
    this.#count = this.#next = 0;
    this.add(low, high, length);
  }

  /** No segment yet. */
  beginEmpty(): void {
    this.#count = this.#next = 0;
  }

  /** One more segment. A segment beyond UIO_MAXIOV is left out, as no call can have had it. */
  add(low: number, high: number, length: number): void {
    if (length === 0 || this.#count === MAX_SEGMENTS) return;
    const at = this.#count++ * WORDS;
    this.#segments[at + BASE] = low;
    this.#segments[at + BASE + 1] = high;
    this.#segments[at + LENGTH] = length % TWO_32;
    this.#segments[at + LENGTH + 1] = Math.floor(length / TWO_32);
  }

  /** Bytes in all segments together. */
  get length(): number {
    let length = 0;
    for (let index = this.#next; index < this.#count; index++) length += this.#lengthOf(index);
    return length;
  }

  /**
   * The next bytes, at most `wanted`, as seen by thread `tid`: overwritten by the next call. Empty when they cannot be
   * read: then do not ask for what comes behind them.
   */
  take(tid: number, wanted: number): Uint8Array<ArrayBuffer> {
    const length = Math.min(wanted, CAPACITY);
    this.#local[LENGTH] = length;
    const first = this.#next * WORDS * 4;
    const done = Number(
      libc().process_vm_readv(
        tid,
        this.#localBytes,
        1n,
        first === 0 ? this.#segmentBytes : this.#segmentBytes.subarray(first),
        BigInt(this.#count - this.#next),
        0n,
      ),
    );
    const count = done > 0 ? done : this.#readThroughFile(tid, length);
    if (count < wanted) this.#advance(count);
    return this.#buffer.subarray(0, count);
  }

  #readThroughFile(tid: number, wanted: number): number {
    const at = this.#next * WORDS;
    const address = BigInt(this.#word(at + BASE + 1)) << 32n |
      BigInt(this.#word(at + BASE));
    const length = Math.min(wanted, this.#lengthOf(this.#next));
    try {
      const bytes = readMemoryUpTo(tid, address, length);
      this.#buffer.set(bytes);
      return bytes.length;
    } catch {
      return 0; // the thread is dead
    }
  }

  #word(at: number): number {
    return this.#segments[at]!; // not undefined: segments below #count
  }

  #lengthOf(index: number): number {
    const at = index * WORDS + LENGTH;
    return this.#word(at) + this.#word(at + 1) * TWO_32;
  }

  /** Leave `count` bytes behind. */
  #advance(count: number): void {
    for (let left = count; left > 0;) {
      const length = this.#lengthOf(this.#next);
      if (length <= left) {
        left -= length;
        this.#next++;
        continue;
      }
      const at = this.#next * WORDS;
      const low = this.#word(at + BASE) + left;
      this.#segments[at + BASE] = low % TWO_32;
      this.#segments[at + BASE + 1] = this.#word(at + BASE + 1) + Math.floor(low / TWO_32);
      this.#segments[at + LENGTH] = (length - left) % TWO_32;
      this.#segments[at + LENGTH + 1] = Math.floor((length - left) / TWO_32);
      left = 0;
    }
  }
}
