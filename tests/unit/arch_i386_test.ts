import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Registers } from "../../src/arch/arch.ts";
import { i386, USER_REGS } from "../../src/arch/i386.ts";
import { architectureOf } from "../../src/arch/mod.ts";
import { x86_64 } from "../../src/arch/x86_64.ts";
import { Struct } from "../../src/struct.ts";

type RegisterName = keyof typeof USER_REGS.fields;

const NAMES = Object.keys(USER_REGS.fields) as RegisterName[];

/** A register set in which every register has a value of its own, but for those given. */
function registersWith(values: Partial<Record<RegisterName, number>> = {}): Registers {
  const registers = new Struct(USER_REGS);
  NAMES.forEach((name, index) => registers.set(name, values[name] ?? 0x1010_1000 + index));
  return registers.bytes;
}

/** The registers in which `after` differs from `before`, with their values. */
function changes(before: Registers, after: Registers): Partial<Record<RegisterName, number>> {
  const [old, now] = [new Struct(USER_REGS, before), new Struct(USER_REGS, after)];
  return Object.fromEntries(
    NAMES.filter((name) => old.get(name) !== now.get(name)).map((name) => [name, now.get(name)]),
  );
}

const EINTR = 0xffff_fffc;
const ERESTARTNOHAND = 0xffff_fdfe;

describe("architectureOf", () => {
  it("recognises the architecture by the size of its register set", () => {
    assertStrictEquals(architectureOf(68), i386);
  });

  it("knows no register set of another size", () => {
    for (const size of [0, 64, 72, 215, 512]) assertEquals(architectureOf(size), undefined);
  });
});

describe("i386 instructionPointer", () => {
  it("is no negative number in the upper half of the address space", () => {
    assertEquals(i386.instructionPointer(registersWith({ eip: 0xf7fc_55e9 })), 0xf7fc_55e9n);
  });
});

describe("i386 withSyscall", () => {
  it("sets number, arguments, instruction pointer and flags, and marks no call as interrupted", () => {
    const before = registersWith({ orig_eax: 3, eflags: 0x0000_0746 });
    const copy = before.slice();
    const after = i386.withSyscall(before, 0xf7fc_55e7n, 192, [
      0n,
      4096n,
      3n,
      0x22n,
      -1n,
      0n,
    ]);
    assertEquals(changes(before, after), {
      eax: 192,
      orig_eax: -1,
      eip: 0xf7fc_55e7,
      eflags: 0x0000_0246,
      ebx: 0,
      ecx: 4096,
      edx: 3,
      esi: 0x22,
      edi: 0xffff_ffff,
      ebp: 0,
    });
    assertEquals(before, copy, "the registers given are not changed");
  });

  it("passes 0 for arguments that are not given", () => {
    const after = new Struct(USER_REGS, i386.withSyscall(registersWith(), 0x1000n, 20, [7n]));
    assertEquals(
      (["ebx", "ecx", "edx", "esi", "edi", "ebp"] as const).map((name) => after.get(name)),
      [7, 0, 0, 0, 0, 0],
    );
  });
});

describe("i386 withRestart", () => {
  const interrupted = {
    read: 3,
    write: 4,
    socketcall: 102,
    ipc: 117,
    rt_sigtimedwait: 177,
    epoll_wait: 256,
    epoll_pwait: 319,
    semtimedop_time64: 420,
    rt_sigtimedwait_time64: 421,
  };
  for (const [name, number] of Object.entries(interrupted)) {
    it(`leaves ${name}, which the stop interrupted, to the kernel to restart`, () => {
      const before = registersWith({ orig_eax: number, eax: EINTR });
      const after = i386.withRestart(before);
      assertEquals(changes(before, after), { eax: ERESTARTNOHAND });
      assertEquals(new Struct(USER_REGS, before).get("eax"), EINTR, "only a copy is changed");
    });
  }

  const asTheyAre: [string, Partial<Record<RegisterName, number>>][] = [
    ["a thread in no call", { orig_eax: -1, eax: EINTR }],
    ["a call that the kernel restarts itself", { orig_eax: 3, eax: 0xffff_fe00 }],
    ["a call with another error", { orig_eax: 256, eax: 0xffff_fff7 }],
    ["a call that has succeeded", { orig_eax: 3, eax: 4 }],
    ["nanosleep, which returns EINTR only after a handler", { orig_eax: 162, eax: EINTR }],
    ["close, which must not be made twice", { orig_eax: 6, eax: EINTR }],
    ["the numbers of x86_64", { orig_eax: 232, eax: EINTR }],
    ["restart_syscall", { orig_eax: 0, eax: 0xffff_fdfc }],
  ];
  for (const [what, values] of asTheyAre) {
    it(`changes nothing for ${what}`, () => {
      const before = registersWith(values);
      assertStrictEquals(i386.withRestart(before), before);
    });
  }
});

describe("structures of i386", () => {
  it("take addresses as bigint, like the structures of x86_64, and keep the highest bit", () => {
    for (const { structs } of [i386, x86_64]) {
      const vector = new Struct(structs.iovec).set("iov_base", 0xf7f2_a000n).set("iov_len", 1n);
      assertEquals(BigInt(vector.get("iov_base")), 0xf7f2_a000n);
      assertEquals(BigInt(vector.get("iov_len")), 1n);
    }
    const vector = new Struct(i386.structs.iovec).set("iov_base", 0xf7f2_a000n).set("iov_len", 1n);
    assertEquals(vector.bytes, Uint8Array.of(0, 0xa0, 0xf2, 0xf7, 1, 0, 0, 0));
  });

  it("keep 64 bits of epoll data", () => {
    const event = new Struct(i386.structs.epollEvent).set("events", 1).set("data", 2n ** 64n - 2n);
    assertEquals(event.bytes, Uint8Array.of(1, 0, 0, 0, 0xfe, ...Array<number>(7).fill(0xff)));
    assert(event.bytes.length === 12);
  });
});
