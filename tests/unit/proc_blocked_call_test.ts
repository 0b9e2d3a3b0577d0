import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseBlockedCall } from "../../src/proc/blocked_call.ts";

describe("parseBlockedCall", () => {
  it("reads number, arguments, stack pointer and instruction pointer", () => {
    assertEquals(
      parseBlockedCall(
        "22 0x7 0xffffe0a8 0x40 0xffffffffffffffff 0x0 0x8 0xffffe0a0 0xffff90d0f104\n",
      ),
      {
        number: 22n,
        args: [7n, 0xffff_e0a8n, 0x40n, 0xffff_ffff_ffff_ffffn, 0n, 8n],
        stackPointer: 0xffff_e0a0n,
        instructionPointer: 0xffff_90d0_f104n,
      },
    );
  });

  it("returns undefined for a thread that runs, or is blocked outside of a call", () => {
    assertEquals(parseBlockedCall("running\n"), undefined);
    assertEquals(parseBlockedCall("-1 0xffffe0a0 0xffff90d0f104\n"), undefined);
    assertEquals(parseBlockedCall(""), undefined);
  });
});
