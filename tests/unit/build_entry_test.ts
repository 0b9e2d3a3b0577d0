import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { withEntry } from "../../scripts/build/entry.ts";

const EM_X86_64 = 62;
const EM_AARCH64 = 183;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PF_R_X = 5;

const HEADER = 64;
const PROGRAM_HEADER = 56;
const SECTIONS = 0x1000;
const SECTION_HEADER = 64;
/** Where the code was entered before. */
const ENTRY = 0x2_1000;
/** What Deno has appended. */
const PROGRAM = new TextEncoder().encode("d3n0l4nd and all that is run");

/** An ELF file with program headers of these types, the last byte of each at 0x30000, and two sections. */
function executable(machine: number, types: readonly number[], entry = ENTRY) {
  const end = SECTIONS + 2 * SECTION_HEADER;
  const file = new Uint8Array(end + PROGRAM.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46]);
  view.setUint16(18, machine, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, BigInt(HEADER), true);
  view.setBigUint64(40, BigInt(SECTIONS), true);
  view.setUint16(56, types.length, true);
  view.setUint16(58, SECTION_HEADER, true);
  view.setUint16(60, 2, true);
  types.forEach((type, index) => {
    const at = HEADER + PROGRAM_HEADER * index;
    view.setUint32(at, type, true);
    view.setBigUint64(at + 16, 0x2_0000n, true);
    view.setBigUint64(at + 40, 0x1_0000n, true);
  });
  file.set(PROGRAM, end);
  return file;
}

/** The entry, and the last program header. */
function read(file: Uint8Array<ArrayBuffer>) {
  const view = new DataView(file.buffer);
  const at = HEADER + PROGRAM_HEADER * (view.getUint16(56, true) - 1);
  const [offset, address, , size, inMemory, alignment] = Array.from(
    { length: 6 },
    (_, index) => Number(view.getBigUint64(at + 8 + 8 * index, true)),
  );
  return {
    entry: Number(view.getBigUint64(24, true)),
    type: view.getUint32(at, true),
    flags: view.getUint32(at + 4, true),
    offset: offset!,
    address: address!,
    size: size!,
    inMemory,
    alignment: alignment!,
    view,
  };
}

describe("withEntry", () => {
  for (const machine of [EM_X86_64, EM_AARCH64]) {
    it(`has its code in a segment behind all others, and goes on at the old entry: ${machine}`, () => {
      const file = executable(machine, [PT_LOAD, PT_NOTE]);
      const changed = withEntry(file);
      const { entry, type, flags, offset, address, size, inMemory, alignment, view } = read(
        changed,
      );
      assertEquals([type, flags, size], [PT_LOAD, PF_R_X, inMemory]);
      assertEquals(entry, address);
      assertEquals(address % alignment, offset % alignment);
      assertEquals(address >= 0x3_0000, true);
      // The last instruction of the code: jmp or b.
      const word = view.getInt32(offset + size - 4, true);
      const target = machine === EM_X86_64
        ? address + size + word
        : address + size - 4 + (word << 6 >> 4);
      assertEquals(target, ENTRY);
    });

    it(`leaves the program where Deno looks for it, and all else as it was: ${machine}`, () => {
      const file = executable(machine, [PT_LOAD, PT_NOTE]);
      const changed = withEntry(file);
      assertEquals(changed.slice(-PROGRAM.length), PROGRAM);
      const sections = SECTIONS + 2 * SECTION_HEADER;
      const headers = HEADER + 2 * PROGRAM_HEADER;
      assertEquals(changed.slice(headers, sections), file.slice(headers, sections));
      assertEquals(withEntry(file), changed);
    });

    it(`refuses an entry that is out of reach: ${machine}`, () => {
      const far = executable(machine, [PT_LOAD, PT_NOTE], 0x1_0000_0000);
      assertThrows(() => withEntry(far), Error, "out of reach");
    });
  }

  it("refuses what it does not know", () => {
    const good = executable(EM_X86_64, [PT_LOAD, PT_NOTE]);
    assertThrows(() => withEntry(good.slice(1)), Error, "no ELF file");
    assertThrows(() => withEntry(executable(3, [PT_LOAD, PT_NOTE])), Error, "machine 3");
    const spare = "no program header to spare";
    assertThrows(() => withEntry(executable(EM_X86_64, [PT_LOAD])), Error, spare);
    assertThrows(() => withEntry(executable(EM_X86_64, [PT_NOTE, PT_LOAD])), Error, spare);
    assertThrows(() => withEntry(withEntry(good)), Error, "does not begin where the base ends");
  });
});
