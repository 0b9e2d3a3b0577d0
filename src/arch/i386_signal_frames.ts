/**
 * Signal frames of i386, as a 64-bit kernel has them (arch/x86/kernel/signal_32.c): <asm/ucontext.h>,
 * <asm/sigcontext.h>, sigreturn(2).
 */
import { layout, Struct } from "../struct.ts";
import type { Registers, SignalFrames } from "./arch.ts";
import { get, getSigned, offsetOf, set } from "./i386_registers.ts";
import { isRestarted, NO_ALTERNATE_STACK_MODE, SYSCALL_LENGTH } from "./x86.ts";
import { ALIGNMENT, frameOf } from "./x86_extended_state.ts";

/**
 * What stands on the stack of a handler that has SA_SIGINFO: its return address, its arguments, and what
 * rt_sigreturn(2) sets. The C library's `ucontext_t` is longer than the kernel's, which ends with eight bytes of mask.
 */
export const SIGNAL_FRAME = layout("struct signal_frame", 508, {
  "pretcode": [0, "u32"],
  "uc.uc_stack.ss_flags": [156, "i32"],
  "uc.uc_mcontext.gregs[REG_GS]": [164, "i32"],
  "uc.uc_mcontext.gregs[REG_FS]": [168, "i32"],
  "uc.uc_mcontext.gregs[REG_ES]": [172, "i32"],
  "uc.uc_mcontext.gregs[REG_DS]": [176, "i32"],
  "uc.uc_mcontext.gregs[REG_EDI]": [180, "i32"],
  "uc.uc_mcontext.gregs[REG_ESI]": [184, "i32"],
  "uc.uc_mcontext.gregs[REG_EBP]": [188, "i32"],
  "uc.uc_mcontext.gregs[REG_ESP]": [192, "i32"],
  "uc.uc_mcontext.gregs[REG_EBX]": [196, "i32"],
  "uc.uc_mcontext.gregs[REG_EDX]": [200, "i32"],
  "uc.uc_mcontext.gregs[REG_ECX]": [204, "i32"],
  "uc.uc_mcontext.gregs[REG_EAX]": [208, "i32"],
  "uc.uc_mcontext.gregs[REG_EIP]": [220, "i32"],
  "uc.uc_mcontext.gregs[REG_CS]": [224, "i32"],
  "uc.uc_mcontext.gregs[REG_EFL]": [228, "i32"],
  "uc.uc_mcontext.gregs[REG_SS]": [236, "i32"],
  "uc.uc_mcontext.fpregs": [240, "u32"],
  "uc.uc_sigmask.__val[0]": [252, "u32"],
  "uc.uc_sigmask.__val[1]": [256, "u32"],
});

const KERNEL_SIZE = SIGNAL_FRAME.fields["uc.uc_sigmask.__val[1]"][0] + 4;

/** Where each register stands in the set of registers, and where in the frame, in words of four bytes. */
const GENERAL: readonly (readonly [number, number])[] = ([
  ["xgs", "GS"],
  ["xfs", "FS"],
  ["xes", "ES"],
  ["xds", "DS"],
  ["edi", "EDI"],
  ["esi", "ESI"],
  ["ebp", "EBP"],
  ["esp", "ESP"],
  ["ebx", "EBX"],
  ["edx", "EDX"],
  ["ecx", "ECX"],
  ["eax", "EAX"],
  ["eip", "EIP"],
  ["xcs", "CS"],
  ["eflags", "EFL"],
  ["xss", "SS"],
] as const).map(([name, inFrame]) => [
  offsetOf(name) / 4,
  SIGNAL_FRAME.fields[`uc.uc_mcontext.gregs[REG_${inFrame}]`][0] / 4,
]);

/**
 * What stands in front of the XSAVE area: the registers of the x87 as FSAVE has them. The kernel restores these from
 * there, and from the area only what is beyond them (`ia32_fxstate` in arch/x86/kernel/fpu/signal.c).
 */
export const LEGACY_STATE = layout("struct _libc_fpstate", 112, {
  cw: [0, "u32"],
  sw: [4, "u32"],
  tag: [8, "u32"],
  ipoff: [12, "u32"],
  cssel: [16, "u32"],
  dataoff: [20, "u32"],
  datasel: [24, "u32"],
  "_st[0].significand[0]": [28, "u16"],
  status: [108, "u32"],
});
const STACK_DEPTH = 8;
const X87_REGISTER_SIZE = 10;

/** The 64-bit form of FXSAVE, in which ptrace(2) has the same: Intel's manual, volume 1, "FXSAVE Area". */
const FXSAVE = { cwd: 0, swd: 2, ftw: 4, fop: 6, rip: 8, rdp: 16, st: 32, stSize: 16 } as const;

/** So that the area, behind the other state, is where XSAVE would have put it. */
const PADDING = Number(ALIGNMENT) * 2 - LEGACY_STATE.size;

/** What the three registers take that are popped before the return. They get no value that stays. */
const POPPED = 12n;

/** What the return takes, too, that leads to the code of rt_sigreturn(2). */
const RETURN_ADDRESS_SIZE = 4n;

export const signalFrames: SignalFrames = {
  // int $0x80; pop %ebp; pop %edx; pop %ecx; ret - of __kernel_vsyscall, where the kernel comes back
  // from SYSENTER and SYSCALL, too: arch/x86/entry/vdso/vdso32/system_call.S.
  returningSyscall: Uint8Array.of(0xcd, 0x80, 0x5d, 0x5a, 0x59, 0xc3),
  // mov $173,%eax; int $0x80
  sigreturns: [Uint8Array.of(0xb8, 0xad, 0, 0, 0, 0xcd, 0x80)],
  redZone: 0n,
  extendedStateAlignment: ALIGNMENT,
  extendedStateSets: ["NT_X86_XSTATE"],

  stackPointer: (registers) => get(registers, "esp"),

  withStackPointer(registers, address) {
    const copy = registers.slice();
    set(copy, "esp", address - POPPED);
    return copy;
  },

  withFrameAt(registers, address) {
    const copy = registers.slice();
    set(copy, "esp", address + RETURN_ADDRESS_SIZE);
    return copy;
  },

  withInstructionPointer(registers, address) {
    const copy = registers.slice();
    set(copy, "eip", address);
    return copy;
  },

  resumed(registers) {
    const number = getSigned(registers, "orig_eax");
    if (!isRestarted(number, getSigned(registers, "eax"))) return registers;
    const resumed = registers.slice();
    set(resumed, "eip", get(registers, "eip") - SYSCALL_LENGTH);
    set(resumed, "eax", number);
    return resumed;
  },

  frame(registers, mask, sigreturn, extendedState) {
    const frame = new Struct(SIGNAL_FRAME)
      .set("pretcode", Number(sigreturn))
      .set("uc.uc_stack.ss_flags", NO_ALTERNATE_STACK_MODE)
      .set(
        "uc.uc_mcontext.fpregs",
        extendedState === undefined ? 0 : Number(extendedState.address) + PADDING,
      )
      .set("uc.uc_sigmask.__val[0]", Number(BigInt.asUintN(32, mask)))
      .set("uc.uc_sigmask.__val[1]", Number(BigInt.asUintN(32, mask >> 32n)));
    copyWords(registers, frame.bytes);
    return frame.bytes.subarray(0, KERNEL_SIZE);
  },

  extendedState([image]) {
    if (image === undefined) return undefined;
    const before = PADDING + LEGACY_STATE.size;
    const area = frameOf(image, before, LEGACY_STATE.size);
    area.set(legacyState(image), PADDING);
    return area;
  },
};

function copyWords(registers: Registers, frame: Uint8Array<ArrayBuffer>): void {
  const source = new Uint32Array(registers.buffer, registers.byteOffset, registers.length / 4);
  const words = new Uint32Array(frame.buffer, frame.byteOffset, SIGNAL_FRAME.size / 4);
  for (const [from, to] of GENERAL) words[to] = source[from] ?? 0;
}

/** {@linkcode LEGACY_STATE} of what FXSAVE has. */
function legacyState(image: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(image.buffer, image.byteOffset);
  const status = view.getUint16(FXSAVE.swd, true);
  const state = new Struct(LEGACY_STATE)
    .set("cw", view.getUint16(FXSAVE.cwd, true))
    .set("sw", status)
    .set("tag", tagWord(view.getUint8(FXSAVE.ftw)))
    .set("ipoff", view.getUint32(FXSAVE.rip, true))
    // The kernel has the last instruction's code in the upper half, and ignores the selectors.
    .set("cssel", view.getUint16(FXSAVE.fop, true) * 0x1_0000)
    .set("dataoff", view.getUint32(FXSAVE.rdp, true))
    .set("status", status);
  const stack = LEGACY_STATE.fields["_st[0].significand[0]"][0];
  for (let index = 0; index < STACK_DEPTH; index++) {
    const from = FXSAVE.st + index * FXSAVE.stSize;
    state.bytes.set(
      image.subarray(from, from + X87_REGISTER_SIZE),
      stack + index * X87_REGISTER_SIZE,
    );
  }
  return state.bytes;
}

/**
 * Two bits for each of the x87's registers: all set where it is empty. What else they say of a value the processor finds
 * out by itself. `abridged` has one, set where it is not empty.
 */
function tagWord(abridged: number): number {
  let tags = 0;
  for (let index = 0; index < STACK_DEPTH; index++) {
    if ((abridged & 1 << index) === 0) tags |= 3 << 2 * index;
  }
  return tags;
}
