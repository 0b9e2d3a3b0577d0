import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { unsupportedProgram } from "../../src/arch/mod.ts";
import { parseWordBytes, readWordBytes } from "../../src/proc/auxv.ts";

/** AT_SYSINFO_EHDR, AT_PHDR and AT_PHENT of a program whose headers are `size` bytes each; AT_NULL. */
const entries = (size: number) => [33, 0x7fff1000, 3, 0x400040, 4, size, 0, 0];
const of64 = (size: number) =>
  new Uint8Array(BigUint64Array.from(entries(size).map(BigInt)).buffer);
const of32 = (size: number) => new Uint8Array(Uint32Array.from(entries(size)).buffer);

describe("parseWordBytes", () => {
  it("distinguishes 64-bit programs from 32-bit programs", () => {
    assertEquals(parseWordBytes(of64(56)), 8);
    assertEquals(parseWordBytes(of32(32)), 4);
  });

  it("returns undefined for bytes that are no vector, and for no bytes", () => {
    assertEquals(parseWordBytes(of64(32)), undefined);
    assertEquals(parseWordBytes(of32(56)), undefined);
    assertEquals(parseWordBytes(of64(56).subarray(0, 40)), undefined);
    assertEquals(parseWordBytes(new Uint8Array()), undefined);
  });
});

describe("readWordBytes", () => {
  it("reads the word size of this program, which is 64-bit", () => {
    assertEquals(readWordBytes(Deno.pid, Deno.pid), 8);
  });
  it("returns undefined for a process that is gone", () => {
    assertEquals(readWordBytes(4194305, 4194305), undefined);
  });
});

describe("unsupportedProgram", () => {
  it("names programs that are not supported, and no others", () => {
    assertEquals(
      unsupportedProgram(4, "aarch64"),
      "it is a 32-bit arm program, and only 64-bit ones are supported",
    );
    assertEquals(unsupportedProgram(8, "aarch64"), undefined);
    assertEquals(unsupportedProgram(4, "x86_64"), undefined);
    assertEquals(unsupportedProgram(undefined, "aarch64"), undefined);
  });
});
