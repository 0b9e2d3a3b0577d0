/** Text out of bytes that come in pieces, cut anywhere. Pure. */

/** How many bytes at the end of `bytes` begin a character of UTF-8 that may go on in the next piece, 0 to 3. */
export function unfinishedBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes.at(-back) ?? 0;
    if ((byte & 0xc0) === 0x80) continue; // inside of a character
    const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return wanted > back ? back : 0;
  }
  return 0;
}

/** Joins what one piece left unfinished with the next, for each of many streams. */
export class PieceJoiner<Key> {
  readonly #rests = new Map<Key, Uint8Array<ArrayBuffer>>();

  /** `bytes` behind what was left before, without a character that is unfinished at its end. A view or a copy. */
  join(key: Key, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const before = this.#rests.get(key);
    const all = before === undefined ? bytes : concat(before, bytes);
    const unfinished = unfinishedBytes(all);
    if (unfinished > 0) this.#rests.set(key, all.slice(all.length - unfinished));
    else if (before !== undefined) this.#rests.delete(key);
    return all.subarray(0, all.length - unfinished);
  }

  /** What was left unfinished and will not go on. */
  takeRests(): (readonly [Key, Uint8Array<ArrayBuffer>])[] {
    const rests = [...this.#rests];
    this.#rests.clear();
    return rests;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LENIENT = new TextDecoder("utf-8", { ignoreBOM: true });

/** `bytes` as text; undefined when they are no UTF-8. */
export function decodeStrictly(bytes: Uint8Array<ArrayBuffer>): string | undefined {
  try {
    return STRICT.decode(bytes);
  } catch {
    return undefined;
  }
}

/** `bytes` as text, with U+FFFD for what is no UTF-8. */
export function decodeLeniently(bytes: Uint8Array<ArrayBuffer>): string {
  return LENIENT.decode(bytes);
}
