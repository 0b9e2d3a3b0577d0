/** Reading a BPF_MAP_TYPE_RINGBUF as Documentation/bpf/ringbuf.rst describes it. Pure: over memory that is given. */
import {
  BPF_RINGBUF_BUSY_BIT,
  BPF_RINGBUF_DISCARD_BIT,
  BPF_RINGBUF_HDR_SZ,
} from "../../ffi/bpf_constants.ts";
import type { RingMemory } from "../../ffi/bpf_memory.ts";

const LENGTH = ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
const TWO_32 = 0x1_0000_0000;

export class Ring {
  /** Twice over, so that no record has a seam. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  readonly #words: Int32Array;
  readonly #producer: Int32Array;
  readonly #consumer: BigInt64Array;
  readonly #bytes: number;
  #position: number;
  #released: number;
  /** Where the last look at the producer's position found it: each look takes it from the processor that writes. */
  #end: number;

  /** A ring of `bytes` bytes, a power of two. */
  constructor(memory: RingMemory, bytes: number) {
    const { consumer, producerAndData, dataOffset } = memory;
    this.data = new Uint8Array(producerAndData, dataOffset, 2 * bytes);
    this.view = new DataView(producerAndData, dataOffset, 2 * bytes);
    this.#words = new Int32Array(producerAndData, dataOffset, 2 * bytes / 4);
    this.#producer = new Int32Array(producerAndData, 0, 1);
    this.#consumer = new BigInt64Array(consumer, 0, 1);
    this.#bytes = bytes;
    this.#position = this.#released = this.#end = Number(this.#consumer[0]);
  }

  /** Bytes that wait to be read, those of the records themselves among them. */
  get waiting(): number {
    // They are less than the ring's, so 32 bits of the positions tell all.
    return (Atomics.load(this.#producer, 0) - this.#position % TWO_32) >>> 0;
  }

  /** How far was read, counted from when the ring was made. */
  get read(): number {
    return this.#position;
  }

  /** Bytes that are read and not released. */
  get unreleased(): number {
    return this.#position - this.#released;
  }

  /** Look for what has come since this was last called. */
  look(): void {
    this.#end += (Atomics.load(this.#producer, 0) - this.#end % TWO_32) >>> 0;
  }

  /**
   * Where in `data` the next record begins; -1 when there is none that is complete and was there at the last
   * {@linkcode look}. It stays there until
   * {@linkcode release}.
   */
  next(): number {
    while (this.#position !== this.#end) {
      const at = this.#position & (this.#bytes - 1);
      const header = Atomics.load(this.#words, at >> 2);
      if ((header & BPF_RINGBUF_BUSY_BIT) !== 0) return -1;
      this.#position += (BPF_RINGBUF_HDR_SZ + (header & LENGTH) + 7) & ~7;
      if ((header & BPF_RINGBUF_DISCARD_BIT) === 0) return at + BPF_RINGBUF_HDR_SZ;
    }
    return -1;
  }

  /** What {@linkcode next} has given is read: its room is the kernel's again. */
  release(): void {
    this.#released = this.#position;
    Atomics.store(this.#consumer, 0, BigInt(this.#position));
  }
}
