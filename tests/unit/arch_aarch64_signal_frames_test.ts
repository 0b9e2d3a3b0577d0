import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { USER_REGS } from "../../src/arch/aarch64.ts";
import { hasVectors, SIGNAL_FRAME, signalFrames } from "../../src/arch/aarch64_signal_frames.ts";
import { Struct } from "../../src/struct.ts";

const RECORDS = 592;
const FPSIMD_SIZE = 528;

/** Every word is another. */
function registers() {
  const words = BigUint64Array.from(
    { length: USER_REGS.size / 8 },
    (_, index) => BigInt(index + 1),
  );
  return new Uint8Array(words.buffer);
}

/** NT_PRFPREG: `vregs` of `fill`, then fpsr and fpcr. */
function fpsimd(fill = 7) {
  const image = new Uint8Array(528).fill(fill, 0, 512);
  new DataView(image.buffer).setUint32(512, 0x11, true);
  new DataView(image.buffer).setUint32(516, 0x22, true);
  return image;
}

/** NT_ARM_SVE with vectors of `vl` bytes; flags 1: they are there. */
function sve(vl: number, flags = 1) {
  const image = new Uint8Array(16 + 32 * vl + 17 * vl / 8 + 16).fill(9, 16);
  const view = new DataView(image.buffer);
  view.setUint32(0, image.length, true);
  view.setUint16(8, vl, true);
  view.setUint16(12, flags, true);
  return image;
}

function word(bytes: Uint8Array<ArrayBuffer>, at: number) {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}

describe("signalFrames of aarch64", () => {
  it("returns through x30, with the frame at sp", () => {
    const before = registers();
    const after = new Struct(USER_REGS, signalFrames.withStackPointer(before, 0x1000n, 0x2000n));
    assertEquals([after.get("sp"), after.get("regs[30]")], [0x1000n, 0x2000n]);
    assertEquals(after.get("pc"), new Struct(USER_REGS, before).get("pc"));
    assertEquals(signalFrames.stackPointer(after.bytes), 0x1000n);
  });

  it("holds every register, the signal mask, and cleared floating-point registers", () => {
    const own = registers();
    const bytes = signalFrames.frame(own, 0x1234n, 0x2000n);
    assertEquals(bytes.length, RECORDS + FPSIMD_SIZE + 16);
    assertEquals(bytes.slice(312, 312 + 34 * 8), own); // x0 to x30, sp, pc and pstate
    const padded = new Uint8Array(SIGNAL_FRAME.size);
    padded.set(bytes);
    assertEquals(new Struct(SIGNAL_FRAME, padded).get("uc.uc_sigmask.__val[0]"), 0x1234n);
    assertEquals([word(bytes, RECORDS), word(bytes, RECORDS + 4)], [0x46508001, FPSIMD_SIZE]);
    assert(bytes.subarray(RECORDS + 8).every((byte) => byte === 0));
  });

  it("holds floating-point registers, and vector registers only on a processor that has them", () => {
    const records = signalFrames.extendedState([fpsimd(), sve(64, 0), sve(64, 0)])!;
    assertEquals(records.length, FPSIMD_SIZE);
    assertEquals([word(records, 8), word(records, 12)], [0x11, 0x22]);
    assert(records.subarray(16).every((byte) => byte === 7));
    assertEquals(signalFrames.extendedState([fpsimd(), undefined, undefined]), records);

    const vectors = signalFrames.extendedState([fpsimd(), sve(64), undefined])!;
    const size = 16 + 32 * 64 + 17 * 8 + 8; // in whole records of 16 bytes
    assertEquals(vectors.length, FPSIMD_SIZE + size);
    assertEquals([word(vectors, FPSIMD_SIZE), word(vectors, FPSIMD_SIZE + 4)], [0x53564501, size]);
    assertEquals(word(vectors, FPSIMD_SIZE + 8), 64);
    assert(vectors.subarray(FPSIMD_SIZE + 16).every((byte) => byte === 9));
    const frame = signalFrames.frame(registers(), 0n, 0n, { address: 0n, bytes: vectors });
    assertEquals(frame.slice(RECORDS, RECORDS + vectors.length), vectors);
    assertEquals(frame.slice(RECORDS + vectors.length), new Uint8Array(16));
  });

  it("has no frame for streaming vectors, nor for vectors that do not fit", () => {
    assertEquals(signalFrames.extendedState([fpsimd(), sve(64), sve(64)]), undefined);
    assertEquals(signalFrames.extendedState([fpsimd(), sve(256), undefined]), undefined);
    assertEquals(signalFrames.extendedState([undefined]), undefined);
  });

  it("names the registers that a system call would clear", () => {
    assertEquals([sve(16), sve(16, 0), sve(16).slice(0, 16)].map(hasVectors), [true, false, false]);
  });
});
