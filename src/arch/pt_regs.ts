/**
 * Where a system call's number and arguments are in the kernel's `struct pt_regs` when it returns: all but the result's
 * register are what they were when it was made.
 */
import { layout } from "../struct.ts";

export interface SavedRegisters {
  /** How much of the structure, from its begin on, holds them. */
  readonly bytes: number;
  readonly number: number;
  readonly numberBytes: 4 | 8;
  /** The first four: no call has anything that matters in another one. */
  readonly args: readonly number[];
  /** Those of a call through the 32-bit entry, 4 bytes each. Its number is where the other one is. */
  readonly args32: readonly number[] | undefined;
  /** Bits of a u32 that tell a 32-bit program, whose calls have numbers that are not known here. */
  readonly foreign: { readonly offset: number; readonly mask: number } | undefined;
}

/** `struct pt_regs` — <asm/ptrace.h>: the kernel's own has the same layout under shorter names. */
export const PT_REGS_X86_64 = layout("struct pt_regs", 168, {
  rbx: [40, "u64"],
  r10: [56, "u64"],
  rcx: [88, "u64"],
  rdx: [96, "u64"],
  rsi: [104, "u64"],
  rdi: [112, "u64"],
  orig_rax: [120, "u64"],
});

function offsets(...names: (keyof typeof PT_REGS_X86_64.fields)[]): number[] {
  return names.map((name) => PT_REGS_X86_64.fields[name][0]);
}

/** arch/arm64/include/asm/ptrace.h: what follows user_pt_regs. x0 has the result by then, orig_x0 has not. */
const ARM64 = { x: (number: number) => 8 * number, pstate: 264, orig_x0: 272, syscallno: 280 };
/** arch/arm64/include/uapi/asm/ptrace.h: an AArch32 program. */
const PSR_MODE32_BIT = 0x10;

export const SAVED_REGISTERS: Readonly<Record<typeof Deno.build.arch, SavedRegisters>> = {
  x86_64: {
    bytes: 128,
    number: PT_REGS_X86_64.fields.orig_rax[0],
    numberBytes: 8,
    args: offsets("rdi", "rsi", "rdx", "r10"),
    args32: offsets("rbx", "rcx", "rdx", "rsi"),
    foreign: undefined,
  },
  aarch64: {
    bytes: 288,
    number: ARM64.syscallno,
    numberBytes: 4,
    args: [ARM64.orig_x0, ARM64.x(1), ARM64.x(2), ARM64.x(3)],
    args32: undefined,
    foreign: { offset: ARM64.pstate, mask: PSR_MODE32_BIT },
  },
};
