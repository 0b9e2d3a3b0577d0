/**
 * Where the members of the kernel's structures are: BTF, Documentation/bpf/btf.rst, in /sys/kernel/btf/vmlinux. The
 * parser is pure.
 */
import {
  BTF_KIND_ARRAY,
  BTF_KIND_DATASEC,
  BTF_KIND_DECL_TAG,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_INT,
  BTF_KIND_STRUCT,
  BTF_KIND_UNION,
  BTF_KIND_VAR,
  BTF_MAGIC,
} from "../../ffi/bpf_constants.ts";

/** `{ task_struct: ["files", "signal"] }` */
export type Wanted = Readonly<Record<string, readonly string[]>>;

/** Offsets in bytes, by `task_struct.files`. */
export type Offsets<W extends Wanted> = Readonly<
  Record<{ [S in keyof W & string]: `${S}.${W[S][number]}` }[keyof W & string], number>
>;

const TYPE_BYTES = 12;
const MEMBER_BYTES = 12;

/** Bytes that follow a type of `kind` with `count` members. */
function extraBytes(kind: number, count: number): number {
  switch (kind) {
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG:
      return 4;
    case BTF_KIND_ARRAY:
      return 12;
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
    case BTF_KIND_DATASEC:
    case BTF_KIND_ENUM64:
      return 12 * count;
    case BTF_KIND_ENUM:
    case BTF_KIND_FUNC_PROTO:
      return 8 * count;
    default:
      return 0;
  }
}

/**
 * Offsets of the members `wanted`. Members of a structure without a name, in another one, count as that one's. Throws
 * SyntaxError naming what is not there.
 */
export function findOffsets<const W extends Wanted>(
  bytes: Uint8Array<ArrayBuffer>,
  wanted: W,
): Offsets<W> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint16(0, true) !== BTF_MAGIC) throw new SyntaxError("not BTF");
  const [header, typeOffset, typeBytes, stringOffset] = [4, 8, 12, 16].map((at) =>
    view.getUint32(at, true)
  ) as [number, number, number, number];
  const first = header + typeOffset;
  const strings = bytes.subarray(header + stringOffset);
  const decoder = new TextDecoder();
  const text = (at: number) => decoder.decode(strings.subarray(at, strings.indexOf(0, at)));

  /** Where each type is, by its number, of which the first is 1. */
  const types = [0];
  const found: Record<string, number> = {};
  /** Structures and unions that are wanted, with their place. */
  const structures = new Map<string, number>();
  const info = (at: number) => {
    const word = view.getUint32(at + 4, true);
    return { kind: word >>> 24 & 0x1f, count: word & 0xffff, flagged: word >>> 31 === 1 };
  };
  // Names are compared as their places in the table, of which each text has one.
  const names = new Map<number, string>();
  for (let at = first; at < first + typeBytes;) {
    const { kind, count } = info(at);
    types.push(at);
    if (kind === BTF_KIND_STRUCT && count > 0) {
      const nameAt = view.getUint32(at, true);
      let name = names.get(nameAt);
      if (name === undefined) names.set(nameAt, name = text(nameAt));
      if (name in wanted && !structures.has(name)) structures.set(name, at);
    }
    at += TYPE_BYTES + extraBytes(kind, count);
  }
  const visit = (structure: string, at: number, base: number) => {
    const { kind, count, flagged } = info(at);
    if (kind !== BTF_KIND_STRUCT && kind !== BTF_KIND_UNION) return;
    for (let index = 0; index < count; index++) {
      const member = at + TYPE_BYTES + index * MEMBER_BYTES;
      const nameAt = view.getUint32(member, true);
      const word = view.getUint32(member + 8, true);
      // With the flag the upper 8 bits are the size of a bit field.
      const offset = base + (flagged ? word & 0xff_ffff : word) / 8;
      const type = types[view.getUint32(member + 4, true)];
      if (nameAt === 0) {
        if (type === undefined) throw new SyntaxError(`A member of ${structure} has no type`);
        visit(structure, type, offset);
      } else {
        const name = text(nameAt);
        if (wanted[structure]?.includes(name)) found[`${structure}.${name}`] ??= offset;
      }
    }
  };
  for (const [structure, at] of structures) visit(structure, at, 0);
  for (const [structure, members] of Object.entries(wanted)) {
    for (const member of members) {
      if (found[`${structure}.${member}`] === undefined) {
        throw new SyntaxError(`the kernel has no ${structure}.${member}`);
      }
    }
  }
  return found as Offsets<W>;
}
