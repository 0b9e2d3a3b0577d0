/** The register set of aarch64: `struct user_pt_regs` of <asm/ptrace.h>. */
import { layout } from "../struct.ts";
import { RegisterAccess } from "./register_access.ts";

/** The general registers by their names of 64 bits; `sp`, `pc` and `pstate` follow them. */
export const USER_REGS = layout("struct user_pt_regs", 272, {
  "regs[0]": [0, "u64"],
  "regs[1]": [8, "u64"],
  "regs[2]": [16, "u64"],
  "regs[3]": [24, "u64"],
  "regs[4]": [32, "u64"],
  "regs[5]": [40, "u64"],
  "regs[8]": [64, "u64"],
  "regs[30]": [240, "u64"],
  sp: [248, "u64"],
  pc: [256, "u64"],
  pstate: [264, "u64"],
});

/** x0 to x30. */
export const NUMBERED_REGISTERS = 31;

export type RegisterName = keyof typeof USER_REGS.fields;

export const { get, set }: RegisterAccess<RegisterName> = new RegisterAccess<RegisterName>(
  USER_REGS,
  64,
);
