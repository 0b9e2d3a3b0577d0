/**
 * The program of a rehearsal: it waits, and has in its code what a sigframe stack needs. An executable of one page, elf(5),
 * that takes nothing from the file system, which in a container may hold next to nothing. Pure.
 */
import { ARCHITECTURES } from "../../../arch/mod.ts";

type Machine = typeof Deno.build.arch;

/** e_machine: EM_X86_64, EM_AARCH64. */
const MACHINE: Readonly<Record<Machine, number>> = { x86_64: 62, aarch64: 183 };

/** Waits for signals, for ever: pause(2), ppoll(2). */
const WAIT: Readonly<Record<Machine, readonly number[]>> = {
  x86_64: [
    ...[0xb8, 0x22, 0x00, 0x00, 0x00], // mov $34, %eax
    ...[0x0f, 0x05], // syscall
    ...[0xeb, 0xf7], // jmp to the first
  ],
  aarch64: [
    ...[0x00, 0x00, 0x80, 0xd2], // mov x0, #0
    ...[0x01, 0x00, 0x80, 0xd2], // mov x1, #0
    ...[0x02, 0x00, 0x80, 0xd2], // mov x2, #0
    ...[0x03, 0x00, 0x80, 0xd2], // mov x3, #0
    ...[0x28, 0x09, 0x80, 0xd2], // mov x8, #73
    ...[0x01, 0x00, 0x00, 0xd4], // svc #0
    ...[0xfa, 0xff, 0xff, 0x17], // b to the first
  ],
};

const HEADER_SIZE = 64;
const SEGMENT_SIZE = 56;
const CODE_AT = HEADER_SIZE + 2 * SEGMENT_SIZE;
const BASE = 0x400000n;
const PAGE = 0x10000n;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;

export function rehearsalProgram(machine: Machine): Uint8Array<ArrayBuffer> {
  const frames = ARCHITECTURES.find(({ name }) => name === machine)?.signalFrames;
  const code = Uint8Array.from([
    ...WAIT[machine],
    ...padding(WAIT[machine].length),
    ...frames?.returningSyscall ?? [],
    ...padding(frames?.returningSyscall.length ?? 0),
    ...frames?.sigreturns[0] ?? [],
  ]);
  const size = BigInt(CODE_AT + code.length);
  const file = new Uint8Array(Number(size));
  const view = new DataView(file.buffer);
  // ELFCLASS64, ELFDATA2LSB, EV_CURRENT
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const half = (at: number, value: number) => view.setUint16(at, value, true);
  const word = (at: number, value: number) => view.setUint32(at, value, true);
  const long = (at: number, value: bigint) => view.setBigUint64(at, value, true);
  half(16, 2); // e_type: ET_EXEC
  half(18, MACHINE[machine]);
  word(20, 1); // e_version
  long(24, BASE + BigInt(CODE_AT)); // e_entry
  long(32, BigInt(HEADER_SIZE)); // e_phoff
  half(52, HEADER_SIZE); // e_ehsize
  half(54, SEGMENT_SIZE); // e_phentsize
  half(56, 2); // e_phnum
  const segment = (at: number, type: number, flags: number, address: bigint, size: bigint) => {
    word(at, type);
    word(at + 4, flags);
    long(at + 16, address); // p_vaddr
    long(at + 24, address); // p_paddr
    long(at + 32, size); // p_filesz
    long(at + 40, size); // p_memsz
    long(at + 48, PAGE); // p_align
  };
  segment(HEADER_SIZE, PT_LOAD, PF_R | PF_X, BASE, size);
  segment(HEADER_SIZE + SEGMENT_SIZE, PT_GNU_STACK, PF_R | PF_W, 0n, 0n);
  file.set(code, CODE_AT);
  return file;
}

/** Up to where instructions of every machine may stand. */
function padding(length: number): number[] {
  return new Array<number>((4 - length % 4) % 4).fill(0);
}
