import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { architectureOf } from "../../src/arch/mod.ts";
import { USER_REGS, x86_64 } from "../../src/arch/x86_64.ts";
import { Struct } from "../../src/struct.ts";

type Name = keyof typeof USER_REGS.fields;

/** Registers that all differ, changed as wanted. */
function registers(changes: Partial<Record<Name, bigint>> = {}) {
  const struct = new Struct(USER_REGS);
  (Object.keys(USER_REGS.fields) as Name[]).forEach((name, index) =>
    struct.set(name, changes[name] ?? BigInt(index + 1) * 0x0101010101010101n % (1n << 62n))
  );
  return struct;
}

/** Names of the registers in which `a` and `b` differ. */
function differences(a: Uint8Array<ArrayBuffer>, b: Uint8Array<ArrayBuffer>): Name[] {
  const [one, other] = [new Struct(USER_REGS, a), new Struct(USER_REGS, b)];
  return (Object.keys(USER_REGS.fields) as Name[]).filter((name) =>
    one.get(name) !== other.get(name)
  );
}

describe("x86_64.withSyscall", () => {
  const original = registers({ eflags: 0xfffn, rip: 0x1234n });
  const before = original.bytes.slice();
  const call = x86_64.withSyscall(original.bytes, 0x7fff_0000_1000n, 257, [
    -1n,
    2n,
    3n,
    4n,
    5n,
    6n,
  ]);
  const get = (name: Name) => new Struct(USER_REGS, call).get(name);

  it("puts number and arguments where the kernel takes them", () => {
    assertEquals(get("rax"), 257n);
    assertEquals(
      (["rdi", "rsi", "rdx", "r10", "r8", "r9"] as const).map(get),
      [0xffff_ffff_ffff_ffffn, 2n, 3n, 4n, 5n, 6n],
    );
    assertEquals(x86_64.instructionPointer(call), 0x7fff_0000_1000n);
  });

  it("shows the kernel no interrupted call, no single step and no direction", () => {
    assertEquals(get("orig_rax"), -1n);
    assertEquals(get("eflags"), 0xfffn & ~0x500n);
  });

  it("works on a copy and changes nothing else in it", () => {
    assertEquals(original.bytes, before);
    assertEquals(
      differences(call, before).sort(),
      ["eflags", "orig_rax", "r10", "r8", "r9", "rax", "rdi", "rdx", "rip", "rsi"],
    );
  });

  it("clears the registers of arguments that are not given", () => {
    const plain = new Struct(USER_REGS, x86_64.withSyscall(original.bytes, 1n, 39, []));
    assertEquals([plain.get("rdi"), plain.get("r9")], [0n, 0n]);
  });
});

describe("x86_64.entered", () => {
  it("sets rip after the instruction and orig_rax to the number of the call", () => {
    const before = registers({ rip: 0x1000n, rax: 39n, orig_rax: -1n });
    const after = x86_64.entered(before.bytes);
    assertEquals(differences(before.bytes, after), ["orig_rax", "rip"]);
    assertEquals(new Struct(USER_REGS, after).get("orig_rax"), 39n);
    assertEquals(x86_64.instructionPointer(after), 0x1002n);
  });
});

describe("x86_64.restartBlock", () => {
  const { isPending, withoutIt } = x86_64.restartBlock!;
  const interrupted = (number: bigint, result: bigint) =>
    registers({ orig_rax: number, rax: BigInt.asUintN(64, result) }).bytes;
  it("is pending where the kernel would make restart_syscall(2)", () => {
    assertEquals(isPending(interrupted(7n, -516n)), true);
    for (const result of [-512n, -514n, -4n, 1n]) {
      assertEquals(isPending(interrupted(7n, result)), false);
    }
    assertEquals(isPending(interrupted(-1n, -516n)), false);
  });
  it("is replaced by the call itself", () => {
    const after = withoutIt(interrupted(7n, -516n));
    assertEquals(after, interrupted(7n, -514n));
  });
});

describe("x86_64.withRestart", () => {
  const EINTR = BigInt.asUintN(64, -4n);
  const EPOLL_WAIT = 232n;

  for (const [name, number] of [["epoll_wait", 232n], ["semop", 65n], ["rt_sigtimedwait", 128n]]) {
    it(`lets the kernel decide again whether ${name}, which returned EINTR, is restarted`, () => {
      const stopped = registers({ orig_rax: number as bigint, rax: EINTR });
      const restarted = x86_64.withRestart(stopped.bytes);
      assertEquals(new Struct(USER_REGS, restarted).get("rax"), BigInt.asUintN(64, -514n));
      assertEquals(differences(restarted, stopped.bytes), ["rax"]);
    });
  }

  it("does so for a program of the x32 interface", () => {
    const stopped = registers({ orig_rax: EPOLL_WAIT | 0x40000000n, rax: EINTR });
    assertEquals(differences(x86_64.withRestart(stopped.bytes), stopped.bytes), ["rax"]);
  });

  const UNTOUCHED: readonly (readonly [string, bigint, bigint])[] = [
    ["a call that the kernel restarts by itself", 0n, BigInt.asUintN(64, -512n)],
    ["one that it restarts with what is left of its time", 35n, BigInt.asUintN(64, -516n)],
    ["a call that succeeded", EPOLL_WAIT, 1n],
    ["a call that failed otherwise", EPOLL_WAIT, BigInt.asUintN(64, -9n)],
    ["EINTR of a call that may have done something", 3n, EINTR],
    ["a thread in user mode with the same number in rax", -1n, EINTR],
  ];
  for (const [what, orig_rax, rax] of UNTOUCHED) {
    it(`leaves alone ${what}`, () => {
      const stopped = registers({ orig_rax, rax });
      assertStrictEquals(x86_64.withRestart(stopped.bytes), stopped.bytes);
    });
  }
});

describe("x86_64.callOf", () => {
  it("returns number and arguments of the call that the thread is in", () => {
    const names = ["rdi", "rsi", "rdx", "r10", "r8", "r9"] as const;
    const { bytes } = registers({ orig_rax: 232n | 0x40000000n, rip: 0x1234n, rsp: 0x5678n });
    assertEquals(x86_64.callOf(bytes), {
      number: 232n,
      args: names.map((name) => new Struct(USER_REGS, bytes).get(name)),
      stackPointer: 0x5678n,
      instructionPointer: 0x1234n,
    });
  });
});

describe("x86_64.withResult", () => {
  it("changes the result and nothing else", () => {
    const { bytes } = registers({ orig_rax: 232n });
    const changed = x86_64.withResult(bytes, -11n);
    assertEquals(new Struct(USER_REGS, changed).get("rax"), BigInt.asUintN(64, -11n));
    assertEquals(differences(changed, bytes), ["rax"]);
  });
});

describe("architectureOf", () => {
  it("recognises an architecture by the size of its register set", () => {
    assertEquals(architectureOf(216), x86_64);
    assertEquals(architectureOf(64), undefined);
  });
});
