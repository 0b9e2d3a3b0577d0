import { assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { USER_REGS } from "../../src/arch/i386.ts";
import { LEGACY_STATE, SIGNAL_FRAME, signalFrames } from "../../src/arch/i386_signal_frames.ts";
import { Struct } from "../../src/struct.ts";

type Name = keyof typeof USER_REGS.fields;

function registers(changes: Partial<Record<Name, number>> = {}) {
  const struct = new Struct(USER_REGS);
  (Object.keys(USER_REGS.fields) as Name[]).forEach((name, index) =>
    struct.set(name, changes[name] ?? (index + 0x75) * 0x01010101)
  );
  return struct.bytes;
}

function get(bytes: Uint8Array<ArrayBuffer>, name: Name) {
  return new Struct(USER_REGS, bytes).get(name);
}

describe("signalFrames.resumed of i386", () => {
  it("makes an interrupted call again, also a call with a timeout that runs on", () => {
    for (const result of [-512, -513, -514, -516]) {
      const stopped = registers({ orig_eax: 162, eax: result, eip: 0xf7f0_0002 });
      const resumed = signalFrames.resumed(stopped);
      assertEquals([get(resumed, "eax"), get(resumed, "eip")], [162, 0xf7f0_0000]);
      assertEquals(get(stopped, "eip"), 0xf7f0_0002, "the original is left alone");
    }
  });

  it("leaves the registers of a finished call, and of a thread in no call", () => {
    const done = registers({ orig_eax: 162, eax: -4 });
    assertStrictEquals(signalFrames.resumed(done), done);
    const computing = registers({ orig_eax: -1, eax: -512 });
    assertStrictEquals(signalFrames.resumed(computing), computing);
  });
});

describe("signalFrames of i386: one register", () => {
  const own = registers();

  it("is replaced in a copy; three more are popped before the return to a frame", () => {
    const moved = signalFrames.withStackPointer(own, 0xffff_f000n, 0xf7f0_1000n);
    assertEquals(signalFrames.stackPointer(moved), 0xffff_f000n - 12n);
    const elsewhere = signalFrames.withInstructionPointer(own, 0xf7f0_1234n);
    assertEquals(get(elsewhere, "eip"), 0xf7f0_1234);
    assertEquals(own, registers());
    assertEquals(get(moved, "eip"), get(own, "eip"));
  });
});

describe("signalFrames.frame of i386", () => {
  const own = registers({ xcs: 0x23, xss: 0x2b, xgs: 0x63, esp: 0xffa0_0000 });
  const bytes = signalFrames.frame(own, 0x8000_0000_0000_1234n, 0xf7f0_1000n, {
    address: 0xffa0_2000n,
    bytes: new Uint8Array(),
  });
  const padded = new Uint8Array(SIGNAL_FRAME.size);
  padded.set(bytes);
  const frame = new Struct(SIGNAL_FRAME, padded);

  it("holds what rt_sigreturn(2) reads, and no more", () => {
    assertEquals(bytes.length, 260);
    assertEquals(frame.get("pretcode"), 0xf7f0_1000);
    assertEquals(frame.get("uc.uc_sigmask.__val[0]"), 0x1234);
    assertEquals(frame.get("uc.uc_sigmask.__val[1]"), 0x8000_0000);
  });

  it("holds every general register and every segment register", () => {
    for (
      const name of ["edi", "esi", "ebp", "esp", "ebx", "edx", "ecx", "eax", "eip"] as const
    ) {
      const field = `uc.uc_mcontext.gregs[REG_${name.toUpperCase()}]`;
      const value = frame.get(field as "uc.uc_mcontext.gregs[REG_EAX]") >>> 0;
      assertEquals(value, get(own, name), name);
    }
    for (const name of ["gs", "fs", "es", "ds", "cs", "ss"] as const) {
      const field = `uc.uc_mcontext.gregs[REG_${name.toUpperCase()}]`;
      const value = frame.get(field as "uc.uc_mcontext.gregs[REG_GS]") >>> 0;
      assertEquals(value, get(own, `x${name}`), name);
    }
    assertEquals(frame.get("uc.uc_mcontext.gregs[REG_EFL]") >>> 0, get(own, "eflags"));
  });

  it("points to the x87's registers, 112 bytes before an aligned address, or to none", () => {
    assertEquals(frame.get("uc.uc_mcontext.fpregs"), 0xffa0_2010);
    assertEquals((frame.get("uc.uc_mcontext.fpregs") + LEGACY_STATE.size) % 64, 0);
    const without = new Uint8Array(SIGNAL_FRAME.size);
    without.set(signalFrames.frame(own, 0n, 0xf7f0_1000n));
    assertEquals(new Struct(SIGNAL_FRAME, without).get("uc.uc_mcontext.fpregs"), 0);
  });

  it("does not set an alternate stack: no mode is that of its flags", () => {
    const flags = frame.get("uc.uc_stack.ss_flags");
    assertEquals(flags & 3, 0);
    assertNotEquals(flags, 0);
  });
});

describe("signalFrames.extendedState of i386", () => {
  const set = Uint8Array.from({ length: 2696 }, (_, index) => index * 13);
  const view = new DataView(set.buffer);
  view.setUint16(0, 0x037f, true);
  view.setUint16(2, 0x2800, true);
  // Registers 5, 6 and 7 are in use.
  view.setUint8(4, 0b1110_0000);
  view.setUint16(6, 0x05d9, true);
  view.setBigUint64(8, 0x0804_9123n, true);
  view.setBigUint64(16, 0xffa0_4567n, true);
  view.setBigUint64(464, 0xe7n, true);
  view.setBigUint64(512, 0xe7n, true);
  const area = signalFrames.extendedState([set])!;

  it("holds the x87's registers in the layout of FSAVE", () => {
    const state = new Struct(LEGACY_STATE, area.slice(16, 128));
    assertEquals([state.get("cw"), state.get("sw"), state.get("status")], [0x37f, 0x2800, 0x2800]);
    assertEquals(state.get("tag"), 0b00_00_00_11_11_11_11_11);
    assertEquals([state.get("ipoff"), state.get("dataoff")], [0x0804_9123, 0xffa0_4567]);
    assertEquals(state.get("cssel") >>> 16, 0x05d9);
    for (let index = 0; index < 8; index++) {
      const at = 16 + 28 + index * 10;
      const from = 32 + index * 16;
      assertEquals(area.slice(at, at + 10), set.slice(from, from + 10), `st(${index})`);
    }
  });

  it("is missing on a processor without the register set", () => {
    assertEquals(signalFrames.extendedState([undefined]), undefined);
  });

  it("holds the register set after them, with the two magic numbers that the kernel checks", () => {
    assertEquals(area.length, 128 + 2696 + 4);
    const view = new DataView(area.buffer, 128);
    assertEquals(view.getUint32(464, true), 0x46505853);
    // What is in front of the set counts, as the kernel counts it.
    assertEquals([view.getUint32(468, true), view.getUint32(480, true)], [112 + 2700, 2696]);
    assertEquals(view.getUint32(2696, true), 0x46505845);
    assertEquals(area.slice(128, 128 + 464), set.slice(0, 464));
    assertEquals(area.slice(128 + 512, 128 + 2696), set.slice(512));
  });
});
