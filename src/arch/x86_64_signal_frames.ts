/** Signal frames of x86_64: <asm/ucontext.h>, <asm/sigcontext.h>, sigreturn(2). */
import { layout, Struct } from "../struct.ts";
import type { Registers, SignalFrames } from "./arch.ts";
import { get, getSigned, offsetOf, type RegisterName, set } from "./x86_64_registers.ts";
import { isRestarted, NO_ALTERNATE_STACK_MODE, SYSCALL_LENGTH } from "./x86.ts";
import { ALIGNMENT, frameOf } from "./x86_extended_state.ts";

/**
 * What stands on the stack of a handler: its return address, and what rt_sigreturn(2) sets. The C library's
 * `ucontext_t` is longer than the kernel's, which ends with eight bytes of mask.
 */
export const SIGNAL_FRAME = layout("struct signal_frame", 976, {
  "pretcode": [0, "u64"],
  "uc.uc_flags": [8, "u64"],
  "uc.uc_stack.ss_flags": [32, "i32"],
  "uc.uc_mcontext.gregs[REG_R8]": [48, "u64"],
  "uc.uc_mcontext.gregs[REG_R9]": [56, "u64"],
  "uc.uc_mcontext.gregs[REG_R10]": [64, "u64"],
  "uc.uc_mcontext.gregs[REG_R11]": [72, "u64"],
  "uc.uc_mcontext.gregs[REG_R12]": [80, "u64"],
  "uc.uc_mcontext.gregs[REG_R13]": [88, "u64"],
  "uc.uc_mcontext.gregs[REG_R14]": [96, "u64"],
  "uc.uc_mcontext.gregs[REG_R15]": [104, "u64"],
  "uc.uc_mcontext.gregs[REG_RDI]": [112, "u64"],
  "uc.uc_mcontext.gregs[REG_RSI]": [120, "u64"],
  "uc.uc_mcontext.gregs[REG_RBP]": [128, "u64"],
  "uc.uc_mcontext.gregs[REG_RBX]": [136, "u64"],
  "uc.uc_mcontext.gregs[REG_RDX]": [144, "u64"],
  "uc.uc_mcontext.gregs[REG_RAX]": [152, "u64"],
  "uc.uc_mcontext.gregs[REG_RCX]": [160, "u64"],
  "uc.uc_mcontext.gregs[REG_RSP]": [168, "u64"],
  "uc.uc_mcontext.gregs[REG_RIP]": [176, "u64"],
  "uc.uc_mcontext.gregs[REG_EFL]": [184, "u64"],
  "uc.uc_mcontext.gregs[REG_CSGSFS]": [192, "u64"],
  "uc.uc_mcontext.fpregs": [232, "u64"],
  "uc.uc_sigmask.__val[0]": [304, "u64"],
});

const KERNEL_SIZE = SIGNAL_FRAME.fields["uc.uc_sigmask.__val[0]"][0] + 8;

/**
 * Set from the frame under their own names; CS and SS share a field. Where each stands in the set of registers, and
 * where in the frame, in words of four bytes: frames are written while the target stands still.
 */
const GENERAL: readonly (readonly [number, number])[] = [
  ...["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const,
  ...["rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip"] as const,
].map((name) => [offsetOf(name) / 4, SIGNAL_FRAME.fields[fieldOf(name)][0] / 4]);

// <asm/ucontext.h>: the frame has the XSAVE form; SS is in it, and is to be taken as it is.
const UC_FP_XSTATE = 1n;
const UC_SIGCONTEXT_SS = 2n;
const UC_STRICT_RESTORE_SS = 4n;

const RETURN_ADDRESS_SIZE = 8n;

export const signalFrames: SignalFrames = {
  returningSyscall: Uint8Array.of(0x0f, 0x05, 0xc3),
  // mov $15,%rax; syscall - as the C libraries have it; or with %eax.
  sigreturns: [
    Uint8Array.of(0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05),
    Uint8Array.of(0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05),
  ],
  redZone: 128n,
  extendedStateAlignment: ALIGNMENT,
  extendedStateSets: ["NT_X86_XSTATE"],

  stackPointer: (registers) => get(registers, "rsp"),

  withStackPointer: (registers, address) => changed(registers, "rsp", address),

  // Its return has taken the address of the code that calls it from the stack.
  withFrameAt: (registers, address) => changed(registers, "rsp", address + RETURN_ADDRESS_SIZE),

  withInstructionPointer: (registers, address) => changed(registers, "rip", address),

  resumed(registers) {
    const number = getSigned(registers, "orig_rax");
    if (!isRestarted(number, getSigned(registers, "rax"))) return registers;
    return changed(
      changed(registers, "rip", get(registers, "rip") - SYSCALL_LENGTH),
      "rax",
      number,
    );
  },

  frame(registers, mask, sigreturn, extendedState) {
    const frame = new Struct(SIGNAL_FRAME)
      .set("pretcode", sigreturn)
      .set("uc.uc_flags", UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS)
      .set("uc.uc_stack.ss_flags", NO_ALTERNATE_STACK_MODE)
      .set("uc.uc_mcontext.gregs[REG_EFL]", get(registers, "eflags"))
      .set("uc.uc_mcontext.gregs[REG_CSGSFS]", get(registers, "cs") | get(registers, "ss") << 48n)
      .set("uc.uc_mcontext.fpregs", extendedState?.address ?? 0n)
      .set("uc.uc_sigmask.__val[0]", mask);
    const source = new Uint32Array(registers.buffer, registers.byteOffset, registers.length / 4);
    const words = new Uint32Array(frame.bytes.buffer);
    for (const [from, to] of GENERAL) {
      words[to] = source[from] ?? 0;
      words[to + 1] = source[from + 1] ?? 0;
    }
    return frame.bytes.subarray(0, KERNEL_SIZE);
  },

  extendedState: ([image]) => image && frameOf(image),
};

function fieldOf(name: RegisterName) {
  return `uc.uc_mcontext.gregs[REG_${name.toUpperCase()}]` as "uc.uc_mcontext.gregs[REG_RAX]";
}

function changed(registers: Registers, name: RegisterName, value: bigint): Registers {
  const copy = registers.slice();
  set(copy, name, value);
  return copy;
}
