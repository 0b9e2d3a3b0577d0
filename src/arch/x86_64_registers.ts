/** The 64-bit register set of <sys/user.h>. */
import { layout } from "../struct.ts";
import type { Registers } from "./arch.ts";

/** Offsets in `struct user_regs_struct`; every register is 8 bytes wide. */
export const USER_REGS = layout("struct user_regs_struct", 216, {
  r15: [0, "u64"],
  r14: [8, "u64"],
  r13: [16, "u64"],
  r12: [24, "u64"],
  rbp: [32, "u64"],
  rbx: [40, "u64"],
  r11: [48, "u64"],
  r10: [56, "u64"],
  r9: [64, "u64"],
  r8: [72, "u64"],
  rax: [80, "u64"],
  rcx: [88, "u64"],
  rdx: [96, "u64"],
  rsi: [104, "u64"],
  rdi: [112, "u64"],
  orig_rax: [120, "i64"],
  rip: [128, "u64"],
  cs: [136, "u64"],
  eflags: [144, "u64"],
  rsp: [152, "u64"],
  ss: [160, "u64"],
  fs_base: [168, "u64"],
  gs_base: [176, "u64"],
  ds: [184, "u64"],
  es: [192, "u64"],
  fs: [200, "u64"],
  gs: [208, "u64"],
});

export type RegisterName = keyof typeof USER_REGS.fields;

/** For several registers to be set in: {@linkcode setIn}. */
export function viewOf(registers: Registers): DataView {
  return new DataView(registers.buffer, registers.byteOffset, registers.byteLength);
}

export function get(registers: Registers, name: RegisterName): bigint {
  return viewOf(registers).getBigUint64(USER_REGS.fields[name][0], true);
}

/** Offset of a register in the set, for those who copy it as it is. */
export function offsetOf(name: RegisterName): number {
  return USER_REGS.fields[name][0];
}

export function getSigned(registers: Registers, name: RegisterName): bigint {
  return BigInt.asIntN(64, get(registers, name));
}

export function set(registers: Registers, name: RegisterName, value: bigint): void {
  setIn(viewOf(registers), name, value);
}

/** A negative value becomes its two's complement. */
export function setIn(registers: DataView, name: RegisterName, value: bigint): void {
  registers.setBigUint64(USER_REGS.fields[name][0], value, true);
}
