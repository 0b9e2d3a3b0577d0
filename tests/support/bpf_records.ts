/** The kernel's side of the ring that the engine bpf reads. */
import { CALL_BASE, FLAG, KIND, RECORD, REST } from "../../src/procout/bpf/layout.ts";

/** Of the ring. */
export const BYTES = 4096;
const PAGE = 4096;
export const BUSY = 0x80000000;
export const DISCARDED = 0x40000000;

/** Puts records into a ring. */
export class Producer {
  readonly memory = {
    consumer: new ArrayBuffer(PAGE),
    producerAndData: new ArrayBuffer(PAGE + 2 * BYTES),
    dataOffset: PAGE,
  };
  readonly #view = new DataView(this.memory.producerAndData);
  position = 0;

  /** Put a record of `payload` in, in both of the mappings; where its header is. */
  put(payload: Uint8Array, header = payload.length): number {
    const at = this.position % BYTES;
    const write = (place: number, value: number) => {
      this.#view.setUint8(PAGE + place % BYTES, value);
      this.#view.setUint8(PAGE + BYTES + place % BYTES, value);
    };
    [0, 8, 16, 24].forEach((shift, index) => write(at + index, header >>> shift & 255));
    payload.forEach((byte, index) => write(at + 8 + index, byte));
    this.position += (8 + payload.length + 7) & ~7;
    this.#view.setUint32(0, this.position % 0x1_0000_0000, true);
    return at;
  }

  commit(at: number, header: number): void {
    this.#view.setUint32(PAGE + at, header, true);
  }

  get consumed(): number {
    return Number(new BigUint64Array(this.memory.consumer, 0, 1)[0]!);
  }
}

/** What of a record is not as in most of them. */
export interface Fields {
  readonly kind?: number;
  readonly flags?: number;
  readonly tid?: number;
  readonly lost?: number;
  readonly text?: string;
  readonly rest?: Partial<Record<keyof typeof REST, number>>;
}

const ENCODER = new TextEncoder();
const WRITE = CALL_BASE.native + 1;

/** A record of thread 11 of process 10, which has written `text` to descriptor 1. */
export function record({ kind, flags, tid, lost, text, rest }: Fields): Uint8Array {
  const data = ENCODER.encode(text ?? "");
  const bytes = new Uint8Array(RECORD.size + (rest === undefined ? data.length : REST.size));
  const view = new DataView(bytes.buffer);
  bytes[RECORD.kind] = kind ?? KIND.data;
  bytes[RECORD.flags] = flags ?? FLAG.first | FLAG.last;
  bytes[RECORD.stream] = 1;
  view.setUint32(RECORD.length, data.length, true);
  view.setUint32(RECORD.tid, tid ?? 11, true);
  view.setUint32(RECORD.pid, 10, true);
  view.setInt32(RECORD.fd, 1, true);
  view.setUint32(RECORD.call, WRITE, true);
  view.setBigUint64(RECORD.time, 2_000_000n, true);
  view.setBigUint64(RECORD.lost, BigInt(lost ?? 0), true);
  if (rest === undefined) bytes.set(data, RECORD.size);
  for (const [name, value] of Object.entries(rest ?? {})) {
    view.setBigUint64(RECORD.size + REST[name as keyof typeof REST], BigInt(value), true);
  }
  return bytes;
}
