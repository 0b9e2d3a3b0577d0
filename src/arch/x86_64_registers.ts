/** The 64-bit register set of <sys/user.h>. */
import { layout } from "../struct.ts";
import { RegisterAccess } from "./register_access.ts";

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

export const { get, getSigned, offsetOf, set }: RegisterAccess<RegisterName> = new RegisterAccess<
  RegisterName
>(USER_REGS, 64);
