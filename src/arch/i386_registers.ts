/** The 32-bit register set of <sys/user.h>. */
import { layout } from "../struct.ts";
import { RegisterAccess } from "./register_access.ts";

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

export const { get, getSigned, offsetOf, set }: RegisterAccess<RegisterName> = new RegisterAccess<
  RegisterName
>(USER_REGS, 32);
