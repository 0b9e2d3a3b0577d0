import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { aarch64, USER_REGS } from "../../src/arch/aarch64.ts";
import type { BlockedCall, Registers } from "../../src/arch/arch.ts";
import { architectureOf } from "../../src/arch/mod.ts";
import { Struct } from "../../src/struct.ts";

type RegisterName = keyof typeof USER_REGS.fields;

const NAMES = Object.keys(USER_REGS.fields) as RegisterName[];
const EINTR = 0xffff_ffff_ffff_fffcn;

/** A register set in which every byte differs from its neighbour, but for the registers given. */
function registersWith(values: Partial<Record<RegisterName, bigint>> = {}): Registers {
  const registers = new Struct(USER_REGS);
  registers.bytes.forEach((_, index) => registers.bytes[index] = index & 0xff);
  for (const name of NAMES) {
    const value = values[name];
    if (value !== undefined) registers.set(name, value);
  }
  return registers.bytes;
}

/** The registers in which `after` differs from `before`, with their values. */
function changes(before: Registers, after: Registers): Partial<Record<RegisterName, bigint>> {
  const [old, now] = [new Struct(USER_REGS, before), new Struct(USER_REGS, after)];
  return Object.fromEntries(
    NAMES.filter((name) => old.get(name) !== now.get(name)).map((name) => [name, now.get(name)]),
  );
}

describe("architectureOf", () => {
  it("recognises aarch64 by the size of its register set", () => {
    assertStrictEquals(architectureOf(272), aarch64);
  });

  it("does not know the 32-bit programs of an aarch64 machine", () => {
    assertEquals(architectureOf(72), undefined);
  });
});

describe("aarch64.withSyscall", () => {
  it("sets number, arguments and program counter, and forgets a pending branch or single step", () => {
    const before = registersWith({ pstate: 0x8020_0c00n });
    const copy = before.slice();
    const after = aarch64.withSyscall(before, 0xffff_8000_1234n, 222, [0n, 4096n, 3n, 0x22n, -1n]);
    assertEquals(changes(before, after), {
      "regs[0]": 0n,
      "regs[1]": 4096n,
      "regs[2]": 3n,
      "regs[3]": 0x22n,
      "regs[4]": 0xffff_ffff_ffff_ffffn,
      "regs[5]": 0n,
      "regs[8]": 222n,
      pc: 0xffff_8000_1234n,
      pstate: 0x8000_0000n,
    });
    assertEquals(before, copy);
    assertEquals(aarch64.instructionPointer(after), 0xffff_8000_1234n);
  });
});

describe("aarch64.earlyRestart", () => {
  it("changes the number of the next call and nothing else", () => {
    const before = registersWith({ "regs[8]": 115n });
    const after = aarch64.earlyRestart!.withNumber(before, 128n);
    assertEquals(changes(before, after), { "regs[8]": 128n });
    assertStrictEquals(aarch64.earlyRestart!.withNumber(after, 128n), after);
  });

  it("names the call that a thread enters, and the call that it has left with a result", () => {
    const entering = registersWith({ "regs[0]": 7n, "regs[8]": 22n, pc: 0x40_0104n });
    const left = registersWith({ "regs[0]": EINTR, "regs[8]": 22n, pc: 0x40_0104n });
    const { callOf } = aarch64;
    assertEquals(callOf(entering).args[0], 7n);
    assertEquals(callOf(left, 7n), callOf(entering));
    assertEquals(changes(entering, aarch64.withRestart(left, callOf(entering))), {
      pc: 0x40_0100n,
    });
  });
});

describe("aarch64.withRestart", () => {
  const EPOLL_PWAIT = 22n;
  const stopped = registersWith({ "regs[0]": EINTR, "regs[8]": EPOLL_PWAIT, pc: 0x40_0104n });
  const register = (name: RegisterName) => new Struct(USER_REGS, stopped).get(name) as bigint;
  const blocked: BlockedCall = {
    number: EPOLL_PWAIT,
    args: [
      7n,
      register("regs[1]"),
      register("regs[2]"),
      register("regs[3]"),
      register("regs[4]"),
      register("regs[5]"),
    ],
    stackPointer: register("sp"),
    instructionPointer: 0x40_0104n,
  };

  it("makes the call again with the first argument, which its result has overwritten", () => {
    const after = aarch64.withRestart(stopped, blocked);
    assertEquals(changes(stopped, after), { "regs[0]": 7n, pc: 0x40_0100n });
  });

  it("leaves a thread as it is that was in another call, or has moved on", () => {
    const others: (BlockedCall | undefined)[] = [
      undefined,
      { ...blocked, number: 23n },
      { ...blocked, stackPointer: blocked.stackPointer + 16n },
      { ...blocked, instructionPointer: blocked.instructionPointer + 4n },
      { ...blocked, args: blocked.args.with(1, 1n) },
    ];
    for (const other of others) {
      assertStrictEquals(aarch64.withRestart(stopped, other), stopped);
    }
  });

  it("leaves a call as it is that the kernel restarts, and a call with another error", () => {
    const SENDFILE = 71n;
    const FUTEX = 98n;
    const done = registersWith({ "regs[0]": 3n, "regs[8]": SENDFILE, pc: 0x40_0104n });
    assertStrictEquals(aarch64.withRestart(done, { ...blocked, number: SENDFILE }), done);
    const futex = registersWith({ "regs[0]": EINTR, "regs[8]": FUTEX, pc: 0x40_0104n });
    assertStrictEquals(aarch64.withRestart(futex, { ...blocked, number: FUTEX }), futex);
  });
});
