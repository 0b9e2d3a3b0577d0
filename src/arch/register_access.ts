/** Reading and changing single registers of a set, as the kernel gives it: little-endian, all of the same width. */
import type { Layout, Scalar } from "../struct.ts";
import type { Registers } from "./arch.ts";

type Fields<N extends string> = Readonly<Record<N, readonly [offset: number, type: Scalar]>>;

export class RegisterAccess<N extends string> {
  readonly #fields: Fields<N>;
  readonly #bits: 32 | 64;

  /** For registers of `bits` bits, laid out as `set` says. */
  constructor(set: Layout<Fields<N>>, bits: 32 | 64) {
    this.#fields = set.fields;
    this.#bits = bits;
  }

  /** Where a register stands, for a caller that copies it as it is. */
  readonly offsetOf = (name: N): number => this.#fields[name][0];

  readonly get = (registers: Registers, name: N): bigint => {
    const view = viewOf(registers);
    const offset = this.offsetOf(name);
    return this.#bits === 64
      ? view.getBigUint64(offset, true)
      : BigInt(view.getUint32(offset, true));
  };

  /** As two's complement. A 64-bit kernel shows half of its register: -EINTR in eax is 0xfffffffc there. */
  readonly getSigned = (registers: Registers, name: N): bigint =>
    BigInt.asIntN(this.#bits, this.get(registers, name));

  /** A negative value becomes its two's complement. */
  readonly set = (registers: Registers, name: N, value: bigint): void => {
    const view = viewOf(registers);
    const offset = this.offsetOf(name);
    if (this.#bits === 64) view.setBigUint64(offset, value, true);
    else view.setUint32(offset, Number(BigInt.asUintN(32, value)), true);
  };
}

function viewOf(registers: Registers): DataView {
  return new DataView(registers.buffer, registers.byteOffset, registers.byteLength);
}
