import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { findOffsets } from "../../src/procout/bpf/btf.ts";

const INT = 1;
const STRUCT = 4;
const UNION = 5;

interface Type {
  readonly kind: number;
  readonly name: string;
  readonly size: number;
  /** Name, number of the type, offset in bits. */
  readonly members?: readonly (readonly [string, number, number])[];
  readonly flagged?: boolean;
}

function btf(types: readonly Type[]): Uint8Array<ArrayBuffer> {
  let strings = "\0";
  const place = (text: string): number => {
    if (text === "") return 0;
    const found = strings.indexOf(`\0${text}\0`);
    if (found >= 0) return found + 1;
    strings += `${text}\0`;
    return strings.length - text.length - 1;
  };
  const words = types.flatMap(({ kind, name, size, members = [], flagged = false }) => [
    place(name),
    (kind << 24 | members.length | (flagged ? 0x80000000 : 0)) >>> 0,
    size,
    ...(kind === INT
      ? [size * 8]
      : members.flatMap(([member, type, bits]) => [place(member), type, bits])),
  ]);
  const typeBytes = 4 * words.length;
  const header = [0x0001_eb9f, 24, 0, typeBytes, typeBytes, strings.length];
  const bytes = new Uint8Array(24 + typeBytes + strings.length);
  const view = new DataView(bytes.buffer);
  [...header, ...words].forEach((word, index) => view.setUint32(4 * index, word, true));
  bytes.set(new TextEncoder().encode(strings), 24 + typeBytes);
  return bytes;
}

const TYPES: readonly Type[] = [
  { kind: INT, name: "int", size: 4 },
  {
    kind: STRUCT,
    name: "task",
    size: 32,
    members: [["pid", 1, 0], ["files", 1, 64], ["", 3, 128]],
  },
  { kind: UNION, name: "", size: 8, members: [["inner", 1, 0], ["", 4, 0]] },
  { kind: STRUCT, name: "", size: 8, members: [["first", 1, 0], ["second", 1, 32]] },
  {
    kind: STRUCT,
    name: "bits",
    size: 8,
    members: [["flag", 1, 3 << 24 | 32], ["after", 1, 48]],
    flagged: true,
  },
];

describe("findOffsets", () => {
  it("finds members by name, also inside nameless structures", () => {
    const wanted = { task: ["pid", "files", "inner", "second"], bits: ["after", "flag"] } as const;
    assertEquals(findOffsets(btf(TYPES), wanted), {
      "task.pid": 0,
      "task.files": 8,
      "task.inner": 16,
      "task.second": 20,
      "bits.flag": 4,
      "bits.after": 6,
    });
  });

  it("names a member that is missing", () => {
    assertThrows(() => findOffsets(btf(TYPES), { task: ["gone"] }), SyntaxError, "no task.gone");
    assertThrows(() => findOffsets(btf(TYPES), { none: ["x"] }), SyntaxError, "no none.x");
    assertThrows(() => findOffsets(new Uint8Array(64), {}), SyntaxError, "not BTF");
  });
});
