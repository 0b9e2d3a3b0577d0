/** The 32-bit register set of <sys/user.h>. */
import { layout } from "../struct.ts";
import type { Registers } from "./arch.ts";

/** Offsets in `struct user_regs_struct` of a 32-bit program; every register is 4 bytes wide. */
export const USER_REGS = layout("struct user_regs_struct", 68, {
  ebx: [0, "u32"],
  ecx: [4, "u32"],
  edx: [8, "u32"],
  esi: [12, "u32"],
  edi: [16, "u32"],
  ebp: [20, "u32"],
  eax: [24, "u32"],
  xds: [28, "u32"],
  xes: [32, "u32"],
  xfs: [36, "u32"],
  xgs: [40, "u32"],
  orig_eax: [44, "i32"],
  eip: [48, "u32"],
  xcs: [52, "u32"],
  eflags: [56, "u32"],
  esp: [60, "u32"],
  xss: [64, "u32"],
});

export type RegisterName = keyof typeof USER_REGS.fields;

/** Offset of a register in the set, for those who copy it as it is. */
export function offsetOf(name: RegisterName): number {
  return USER_REGS.fields[name][0];
}

function view(registers: Registers): DataView {
  return new DataView(registers.buffer, registers.byteOffset, registers.byteLength);
}

export function get(registers: Registers, name: RegisterName): bigint {
  return BigInt(view(registers).getUint32(USER_REGS.fields[name][0], true));
}

/** A 64-bit kernel shows half of its register: -EINTR in eax is 0xfffffffc there. */
export function getSigned(registers: Registers, name: RegisterName): bigint {
  return BigInt.asIntN(32, get(registers, name));
}

export function set(registers: Registers, name: RegisterName, value: bigint): void {
  const bits = Number(BigInt.asUintN(32, value));
  view(registers).setUint32(USER_REGS.fields[name][0], bits, true);
}
