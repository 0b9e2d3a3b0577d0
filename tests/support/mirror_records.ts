/** What tests/victims/mirror_flood.c writes, checked byte for byte. */
import { assertEquals } from "@std/assert";

const MAGIC = 0x21524f52;
const HEADER = 16;

/** What came from one thread or child. */
export interface Writer {
  records: number;
  bytes: number;
}

/** Bytes of `id`'s record `number`: byte K is (id + 7 * number + 13 * K) modulo 256. */
const PATTERN = Uint8Array.from({ length: 256 + (1 << 21) }, (_, index) => 13 * index);
/** The inverse of 13 modulo 256: where in the pattern a byte stands. */
const INVERSE = 197;

/**
 * Every writer's records, by id. Fails at the first byte that is not the next one of its writer: one that is missing,
 * doubled or of another record. Records must not be mixed: every one of them is one write.
 */
export function checkRecords(bytes: Uint8Array<ArrayBuffer>): Map<number, Writer> {
  const writers = new Map<number, Writer>();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 0; at < bytes.length;) {
    assertEquals(view.getUint32(at, true), MAGIC, `no record at byte ${at}`);
    const [id, number, length] = [4, 8, 12].map((offset) => view.getUint32(at + offset, true));
    const writer = writers.get(id!) ?? { records: 0, bytes: 0 };
    writers.set(id!, writer);
    assertEquals(number, writer.records, `record of writer ${id} at byte ${at}`);
    const body = bytes.subarray(at + HEADER, at + HEADER + length!);
    const start = ((id! + 7 * number!) * INVERSE) & 0xff;
    if (!sameBytes(body, PATTERN.subarray(start, start + length!))) {
      throw new Error(`Record ${number} of writer ${id}, at byte ${at}, has other bytes`);
    }
    writer.records++;
    writer.bytes += HEADER + length!;
    at += HEADER + length!;
  }
  return writers;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** What a writer of at least `bytes`, in records of up to `largest`, has written: the victim's generator in 32 bits. */
export function expectedWriter(id: number, bytes: number, largest: number): Writer {
  let seed = (Math.imul(id, 2654435761) + 1) >>> 0;
  const writer: Writer = { records: 0, bytes: 0 };
  while (writer.bytes < bytes) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    writer.bytes += HEADER + (seed >>> 8) % largest;
    writer.records++;
  }
  return writer;
}
