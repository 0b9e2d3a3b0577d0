import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EM_ARM, unsupportedMachine } from "../../src/arch/mod.ts";
import { parseElfMachine } from "../../src/proc/program.ts";

function header(machine: number, data = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(64);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, data, 1]);
  new DataView(bytes.buffer).setUint16(18, machine, true);
  return bytes;
}

describe("parseElfMachine", () => {
  it("reads what a program is for", () => {
    assertEquals(parseElfMachine(header(183)), 183);
    assertEquals(parseElfMachine(header(EM_ARM)), EM_ARM);
  });

  it("knows nothing of other files, and of big-endian ones", () => {
    assertEquals(
      parseElfMachine(new TextEncoder().encode("#!/bin/sh\nexec cat -and so on")),
      undefined,
    );
    assertEquals(parseElfMachine(header(183).subarray(0, 10)), undefined);
    assertEquals(parseElfMachine(header(183, 2)), undefined);
  });
});

describe("unsupportedMachine", () => {
  it("names what is not supported, and nothing else", () => {
    assertEquals(
      unsupportedMachine(EM_ARM),
      "it is a 32-bit arm program, and only 64-bit ones are supported",
    );
    for (const machine of [3, 62, 183, undefined]) {
      assertEquals(unsupportedMachine(machine), undefined);
    }
  });
});
