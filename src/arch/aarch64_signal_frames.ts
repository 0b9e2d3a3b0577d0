/** Signal frames of aarch64: <asm/sigcontext.h>, <asm/ucontext.h>, and arch/arm64/kernel/signal.c, which reads them. */
import { layout, Struct } from "../struct.ts";
import { get, NUMBERED_REGISTERS, set, USER_REGS } from "./aarch64_registers.ts";
import type { SignalFrames } from "./arch.ts";

/** What stands at the stack pointer of a handler. The records of {@linkcode RECORDS_OFFSET} follow. */
export const SIGNAL_FRAME = layout("struct rt_sigframe", 4688, {
  "uc.uc_stack.ss_flags": [152, "i32"],
  "uc.uc_sigmask.__val[0]": [168, "u64"],
  "uc.uc_mcontext.regs[0]": [312, "u64"],
  "uc.uc_mcontext.sp": [560, "u64"],
  "uc.uc_mcontext.pc": [568, "u64"],
  "uc.uc_mcontext.pstate": [576, "u64"],
  "uc.uc_mcontext.__reserved[0]": [592, "u8"],
});

/** Records of a magic number, a size, and what they are for; the last one is of zeros only. */
const RECORDS_OFFSET = SIGNAL_FRAME.fields["uc.uc_mcontext.__reserved[0]"][0];
const RECORDS_SIZE = 4096;
const LAST_RECORD_SIZE = 16;

export const FPSIMD_CONTEXT = layout("struct fpsimd_context", 528, {
  "head.magic": [0, "u32"],
  "head.size": [4, "u32"],
  fpsr: [8, "u32"],
  fpcr: [12, "u32"],
});
const FPSIMD_MAGIC = 0x46508001;
/** Behind the fields: `vregs`. */
const VREGS_OFFSET = FPSIMD_CONTEXT.fields.fpcr[0] + 4;

export const SVE_CONTEXT = layout("struct sve_context", 16, {
  "head.magic": [0, "u32"],
  "head.size": [4, "u32"],
  vl: [8, "u16"],
});
const SVE_MAGIC = 0x53564501;

/** NT_PRFPREG, which begins with `vregs`: <asm/ptrace.h>. */
export const FPSIMD_STATE = layout("struct user_fpsimd_state", 528, {
  fpsr: [512, "u32"],
  fpcr: [516, "u32"],
});
const VREGS_SIZE = 512;

/** What NT_ARM_SVE begins with; the registers follow as in a frame. <asm/ptrace.h> */
export const SVE_HEADER = layout("struct user_sve_header", 16, {
  size: [0, "u32"],
  vl: [8, "u16"],
  flags: [12, "u16"],
});
/** In its flags: the set has registers of SVE. */
const SVE_PT_REGS_SVE = 1;

/** As of the same name in `x86_64_signal_frames.ts`. */
const NO_ALTERNATE_STACK_MODE = 0x40;

/** Whether an image of NT_ARM_SVE or NT_ARM_SSVE has registers that a system call discards. */
export function hasVectors(image: Uint8Array<ArrayBuffer>): boolean {
  return image.length > SVE_HEADER.size &&
    (new Struct(SVE_HEADER, image).get("flags") & SVE_PT_REGS_SVE) !== 0;
}

/** Bytes of the registers Z, P and FFR of vectors of `vl` bytes, in whole records. */
function sizeOfVectors(vl: number): number {
  return Math.ceil((32 * vl + 17 * vl / 8) / 16) * 16;
}

function fpsimdRecord(image?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const record = new Struct(FPSIMD_CONTEXT)
    .set("head.magic", FPSIMD_MAGIC)
    .set("head.size", FPSIMD_CONTEXT.size);
  if (image === undefined) return record.bytes;
  const state = new Struct(FPSIMD_STATE, image);
  record.set("fpsr", state.get("fpsr")).set("fpcr", state.get("fpcr"));
  record.bytes.set(image.subarray(0, VREGS_SIZE), VREGS_OFFSET);
  return record.bytes;
}

function sveRecord(image: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const vl = new Struct(SVE_HEADER, image).get("vl");
  const registers = image.subarray(SVE_HEADER.size, SVE_HEADER.size + sizeOfVectors(vl));
  const bytes = new Uint8Array(SVE_CONTEXT.size + sizeOfVectors(vl));
  new Struct(SVE_CONTEXT, bytes).set("head.magic", SVE_MAGIC).set("head.size", bytes.length)
    .set("vl", vl);
  bytes.set(registers, SVE_CONTEXT.size);
  return bytes;
}

export const signalFrames: SignalFrames = {
  returningSyscall: Uint8Array.of(0x01, 0, 0, 0xd4, 0xc0, 0x03, 0x5f, 0xd6), // svc #0; ret
  sigreturns: [Uint8Array.of(0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4)], // mov x8, #139; svc #0
  redZone: 0n,
  extendedStateAlignment: 16n,
  shadowStackSet: "NT_ARM_GCS",
  extendedStateSets: ["NT_PRFPREG", "NT_ARM_SVE", "NT_ARM_SSVE"],

  stackPointer: (registers) => get(registers, "sp"),

  withStackPointer(registers, address, sigreturn) {
    const changed = registers.slice();
    set(changed, "sp", address);
    set(changed, "regs[30]", sigreturn);
    return changed;
  },

  withFrameAt(registers, address) {
    const changed = registers.slice();
    set(changed, "sp", address);
    return changed;
  },

  withInstructionPointer(registers, address) {
    const changed = registers.slice();
    set(changed, "pc", address);
    return changed;
  },

  // The kernel has decided before the stop.
  resumed: (registers) => registers,

  frame(registers, mask, _sigreturn, state) {
    const records = state?.bytes ?? fpsimdRecord();
    const frame = new Uint8Array(RECORDS_OFFSET + records.length + LAST_RECORD_SIZE);
    const padded = new Uint8Array(SIGNAL_FRAME.size);
    new Struct(SIGNAL_FRAME, padded)
      .set("uc.uc_stack.ss_flags", NO_ALTERNATE_STACK_MODE)
      .set("uc.uc_sigmask.__val[0]", mask)
      .set("uc.uc_mcontext.sp", get(registers, "sp"))
      .set("uc.uc_mcontext.pc", get(registers, "pc"))
      .set("uc.uc_mcontext.pstate", get(registers, "pstate"));
    frame.set(padded.subarray(0, RECORDS_OFFSET));
    const numbered = USER_REGS.fields["regs[0]"][0];
    frame.set(
      registers.subarray(numbered, numbered + 8 * NUMBERED_REGISTERS),
      SIGNAL_FRAME.fields["uc.uc_mcontext.regs[0]"][0],
    );
    frame.set(records, RECORDS_OFFSET);
    return frame;
  },

  /** The records. None for streaming vectors, nor for vectors so long that they need a place of their own. */
  extendedState([fpsimd, sve, streaming]) {
    if (fpsimd === undefined || (streaming !== undefined && hasVectors(streaming))) {
      return undefined;
    }
    const first = fpsimdRecord(fpsimd);
    if (sve === undefined || !hasVectors(sve)) return first;
    const second = sveRecord(sve);
    const records = new Uint8Array(first.length + second.length);
    records.set(first);
    records.set(second, first.length);
    return records.length + LAST_RECORD_SIZE > RECORDS_SIZE ? undefined : records;
  },
};
