/**
 * C structures as typed views over exact-size byte arrays.
 *
 * A layout states the size and, for each field, the offset and type that the C compiler chose;
 * `scripts/verify_abi.ts` compares every layout with `sizeof` and `offsetof`.
 */

/** Little-endian scalar types; the 64-bit ones are `bigint` in JavaScript. */
export type Scalar = "u8" | "u16" | "i16" | "u32" | "i32" | "u64" | "i64";

type Value<T extends Scalar> = T extends "u64" | "i64" ? bigint : number;

/** Offset in bytes and type of each field of `cName`. */
export interface Layout<F extends Record<string, readonly [number, Scalar]>> {
  /** As C writes the type: `struct pollfd`. */
  readonly cName: string;
  readonly size: number;
  readonly fields: F;
}

/** Declare a layout; an identity function that keeps the field names in the type. */
export function layout<const F extends Record<string, readonly [number, Scalar]>>(
  cName: string,
  size: number,
  fields: F,
): Layout<F> {
  return { cName, size, fields };
}

/** One structure, or one element of an array of them, over `bytes` (not a copy). */
export class Struct<F extends Record<string, readonly [number, Scalar]>> {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #layout: Layout<F>;

  /** `bytes` must hold the structure from `offset` on; without it zeroed memory is made. */
  constructor(layout: Layout<F>, bytes?: Uint8Array<ArrayBuffer>, offset = 0) {
    this.#layout = layout;
    this.bytes = (bytes ?? new Uint8Array(layout.size)).subarray(offset, offset + layout.size);
    if (this.bytes.length !== layout.size) {
      throw new RangeError(`${layout.cName} needs ${layout.size} bytes, not ${this.bytes.length}`);
    }
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, layout.size);
  }

  get<N extends keyof F & string>(name: N): Value<F[N][1]> {
    const [offset, type] = this.#field(name);
    return readScalar(this.#view, offset, type) as Value<F[N][1]>;
  }

  /** Set a field; returns this structure, so that several can be set in one expression. */
  set<N extends keyof F & string>(name: N, value: Value<F[N][1]>): this {
    const [offset, type] = this.#field(name);
    writeScalar(this.#view, offset, type, value);
    return this;
  }

  #field(name: string): readonly [number, Scalar] {
    const field = this.#layout.fields[name];
    if (field === undefined) throw new RangeError(`${this.#layout.cName} has no field ${name}`);
    return field;
  }
}

function readScalar(view: DataView, offset: number, type: Scalar): number | bigint {
  switch (type) {
    case "u8":
      return view.getUint8(offset);
    case "u16":
      return view.getUint16(offset, true);
    case "i16":
      return view.getInt16(offset, true);
    case "u32":
      return view.getUint32(offset, true);
    case "i32":
      return view.getInt32(offset, true);
    case "u64":
      return view.getBigUint64(offset, true);
    case "i64":
      return view.getBigInt64(offset, true);
  }
}

function writeScalar(view: DataView, offset: number, type: Scalar, value: number | bigint): void {
  switch (type) {
    case "u8":
      return view.setUint8(offset, Number(value));
    case "u16":
      return view.setUint16(offset, Number(value), true);
    case "i16":
      return view.setInt16(offset, Number(value), true);
    case "u32":
      return view.setUint32(offset, Number(value), true);
    case "i32":
      return view.setInt32(offset, Number(value), true);
    case "u64":
      return view.setBigUint64(offset, BigInt(value), true);
    case "i64":
      return view.setBigInt64(offset, BigInt(value), true);
  }
}
