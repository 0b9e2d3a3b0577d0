import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { assemble } from "../../src/procout/bpf/assembler.ts";

/** Each instruction in hexadecimal: code, registers, offset, immediate. */
function words(text: string, maps: Record<string, number> = {}): string[] {
  const bytes = assemble(text, maps);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 8 }, (_, index) => {
    const at = 8 * index;
    const hex = (value: number) => value.toString(16).padStart(2, "0");
    return `${hex(bytes[at]!)} ${hex(bytes[at + 1]!)} ${view.getInt16(at + 2, true)} ` +
      `${view.getInt32(at + 4, true)}`;
  });
}

/** The only instruction before `exit`. */
function one(statement: string, maps: Record<string, number> = {}): string {
  const [first, last, ...rest] = words(`${statement}\nexit`, maps);
  assertEquals([last, ...rest], ["95 00 0 0"]);
  return first!;
}

describe("assemble", () => {
  // Codes from the table "Instruction encoding" of the kernel's instruction-set.rst.
  const cases: readonly [statement: string, instruction: string][] = [
    ["r1 = r2", "bf 21 0 0"],
    ["w1 = w2", "bc 21 0 0"],
    ["r1 = -5", "b7 01 0 -5"],
    ["w3 = 7", "b4 03 0 7"],
    ["r1 += r2", "0f 21 0 0"],
    ["r1 -= 8", "17 01 0 8"],
    ["r9 *= 3", "27 09 0 3"],
    ["r9 /= 3", "37 09 0 3"],
    ["r9 %= 3", "97 09 0 3"],
    ["r1 |= r2", "4f 21 0 0"],
    ["w1 &= 0xff", "54 01 0 255"],
    ["r1 ^= r2", "af 21 0 0"],
    ["r1 <<= 32", "67 01 0 32"],
    ["r1 >>= 32", "77 01 0 32"],
    ["r1 s>>= 2", "c7 01 0 2"],
    ["r1 = *(u64 *)(r2 + 8)", "79 21 8 0"],
    ["r1 = *(u32 *)(r2 + 8)", "61 21 8 0"],
    ["r1 = *(u16 *)(r10 - 8)", "69 a1 -8 0"],
    ["r1 = *(u8 *)(r2 + 0)", "71 21 0 0"],
    ["*(u64 *)(r10 - 16) = r1", "7b 1a -16 0"],
    ["*(u8 *)(r10 - 1) = r3", "73 3a -1 0"],
    ["*(u32 *)(r10 - 4) = 5", "62 0a -4 5"],
    ["lock *(u64 *)(r1 + 0) += r2", "db 21 0 0"],
    ["call map_lookup_elem", "85 00 0 1"],
    ["call ringbuf_output // copies", "85 00 0 130"],
  ];
  for (const [statement, instruction] of cases) {
    it(statement, () => assertEquals(one(statement), instruction));
  }

  it("accepts an immediate of 32 bits with either sign, and one of 64 bits in two slots", () => {
    assertEquals(one("w1 = 0xf0000001"), "b4 01 0 -268435455");
    assertEquals(words("r1 = 0x100000002 ll\nexit"), ["18 01 0 2", "00 00 0 1", "95 00 0 0"]);
    assertEquals(words("r1 = -1 ll\nexit"), ["18 01 0 -1", "00 00 0 -1", "95 00 0 0"]);
  });

  it("names maps by their descriptors, and places in their values", () => {
    assertEquals(words("r1 = map ring\nexit", { ring: 7 })[0], "18 11 0 7");
    assertEquals(words("r2 = value stats + 24\nexit", { stats: 9 }).slice(0, 2), [
      "18 22 0 9",
      "00 00 0 24",
    ]);
  });

  it("jumps to labels, forth and back, over wide instructions too", () => {
    const text = `
      back:
        if r1 == 5 goto done
        if w1 s> w2 goto done
        r1 = 1 ll
        goto back
      done:
        exit`;
    assertEquals(words(text), [
      "15 01 4 5",
      "6e 21 3 0",
      "18 01 0 1",
      "00 00 0 0",
      "05 00 -5 0",
      "95 00 0 0",
    ]);
  });

  it("leaves out unreachable instructions, and keeps the jumps right", () => {
    const text = `
        goto end
        r1 = 1
        r1 = 2 ll
      end:
        exit`;
    assertEquals(words(text), ["05 00 0 0", "95 00 0 0"]);
  });

  const mistakes: readonly [text: string, why: string][] = [
    ["r1 =", "r1 =: no such statement"],
    ["r11 = 1", "no register r11"],
    ["r1 = w2", "registers of two widths"],
    ["r1 ?= r2", "no operation ?="],
    ["if r1 ~ 1 goto out", "no comparison ~"],
    ["r1 = *(u7 *)(r2 + 0)", "no type u7"],
    ["r1 = 0x100000000", 'needs "ll"'],
    ["call nothing", "no helper nothing"],
    ["r1 = map nothing", "no map nothing"],
    ["goto nowhere", "no label nowhere"],
    ["a:\na:\nexit", "label a stands twice"],
    ["r1 = 1", "the program runs past its end"],
  ];
  for (const [text, why] of mistakes) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assertThrows(() => assemble(text), SyntaxError, why);
    });
  }
});
