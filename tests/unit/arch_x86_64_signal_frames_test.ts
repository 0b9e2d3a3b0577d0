import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { USER_REGS } from "../../src/arch/x86_64.ts";
import { SIGNAL_FRAME, signalFrames } from "../../src/arch/x86_64_signal_frames.ts";
import { Struct } from "../../src/struct.ts";

type Name = keyof typeof USER_REGS.fields;

function registers(changes: Partial<Record<Name, bigint>> = {}) {
  const struct = new Struct(USER_REGS);
  (Object.keys(USER_REGS.fields) as Name[]).forEach((name, index) =>
    struct.set(name, changes[name] ?? BigInt(index + 1) * 0x0101010101010101n % (1n << 62n))
  );
  return struct.bytes;
}

function get(bytes: Uint8Array<ArrayBuffer>, name: Name) {
  return new Struct(USER_REGS, bytes).get(name);
}

describe("signalFrames.resumed", () => {
  it("makes an interrupted call again, also a call with a timeout that runs on", () => {
    for (const result of [-512n, -513n, -514n, -516n]) {
      const stopped = registers({ orig_rax: 35n, rax: BigInt.asUintN(64, result), rip: 0x1002n });
      const resumed = signalFrames.resumed(stopped);
      assertEquals([get(resumed, "rax"), get(resumed, "rip")], [35n, 0x1000n]);
    }
  });

  it("leaves the registers of a finished call, and of a thread in no call", () => {
    const done = registers({ orig_rax: 35n, rax: BigInt.asUintN(64, -4n) });
    assertStrictEquals(signalFrames.resumed(done), done);
    const computing = registers({ orig_rax: -1n, rax: BigInt.asUintN(64, -512n) });
    assertStrictEquals(signalFrames.resumed(computing), computing);
  });
});

describe("signalFrames.frame", () => {
  const own = registers({ cs: 0x33n, ss: 0x2bn, rsp: 0x7ffe_0000n });
  const bytes = signalFrames.frame(own, 0x1234n, 0x7f00_1000n, {
    address: 0x7f00_2000n,
    bytes: new Uint8Array(),
  });
  const padded = new Uint8Array(SIGNAL_FRAME.size);
  padded.set(bytes);
  const frame = new Struct(SIGNAL_FRAME, padded);

  it("holds what rt_sigreturn(2) reads, and no more", () => {
    assertEquals(bytes.length, 312);
    assertEquals(frame.get("pretcode"), 0x7f00_1000n);
    assertEquals(frame.get("uc.uc_sigmask.__val[0]"), 0x1234n);
    assertEquals(frame.get("uc.uc_mcontext.fpregs"), 0x7f00_2000n);
  });

  it("holds every general register", () => {
    for (const name of ["r8", "r15", "rdi", "rbp", "rax", "rcx", "rsp", "rip"] as const) {
      const field = `uc.uc_mcontext.gregs[REG_${name.toUpperCase()}]`;
      assertEquals(frame.get(field as "uc.uc_mcontext.gregs[REG_R8]"), get(own, name), name);
    }
    assertEquals(frame.get("uc.uc_mcontext.gregs[REG_EFL]"), get(own, "eflags"));
    assertEquals(frame.get("uc.uc_mcontext.gregs[REG_CSGSFS]"), 0x002b_0000_0000_0033n);
  });

  it("does not set an alternate stack: no mode is that of its flags", () => {
    assertEquals(frame.get("uc.uc_stack.ss_flags") & 3, 0);
    assertEquals(frame.get("uc.uc_stack.ss_flags") === 0, false);
  });
});

describe("signalFrames.extendedState", () => {
  function image(size: number, used: bigint) {
    const bytes = Uint8Array.from({ length: size }, (_, index) => index * 13);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(464, 0x602e7n, true);
    view.setBigUint64(512, used, true);
    return bytes;
  }

  it("is the register set with the two magic numbers that the kernel checks", () => {
    const set = image(2696, 0xe7n);
    const area = signalFrames.extendedState([set])!;
    const view = new DataView(area.buffer);
    assertEquals(area.length, 2700);
    assertEquals(view.getUint32(464, true), 0x46505853);
    assertEquals([view.getUint32(468, true), view.getUint32(480, true)], [2700, 2696]);
    assertEquals(view.getUint32(2696, true), 0x46505845);
    assertEquals(area.slice(0, 464), set.slice(0, 464));
    assertEquals(area.slice(512, 2696), set.slice(512));
  });

  it("leaves out AMX where it is not in use, and has it where it is", () => {
    const without = signalFrames.extendedState([image(11008, 0xe7n)])!;
    assertEquals(without.length, 2700);
    assertEquals(new DataView(without.buffer).getBigUint64(472, true), 0x2e7n);
    const tiles = signalFrames.extendedState([image(11008, 0x400e7n)])!;
    assertEquals(tiles.length, 11012);
    assertEquals(new DataView(tiles.buffer).getBigUint64(472, true), 0x602e7n);
  });
});
