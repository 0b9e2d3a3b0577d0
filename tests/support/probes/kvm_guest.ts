/**
 * A virtual machine of one processor in long mode with paging, as a kernel of 64 bits runs: this ends with status 0
 * where its code has run, else with a line that says why. x86_64 only; Documentation/virt/kvm/api.rst.
 *
 * Usage: kvm_guest.ts [BYTE]... The bytes are instructions that come before the guest's own.
 */
import {
  MAP_ANONYMOUS,
  MAP_SHARED,
  O_CLOEXEC,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from "../../../src/ffi/constants.ts";
import { open } from "../../../src/ffi/descriptor.ts";
import { enterKernel } from "../../../src/ffi/kernel_entry.ts";
import { libc } from "../../../src/ffi/libc.ts";
import { orThrow } from "../../../src/ffi/raw.ts";
import { OWN_NUMBERS } from "../../../src/ffi/syscall_numbers.ts";
import { readMemory } from "../../../src/tracee/remote_memory.ts";

// <linux/kvm.h>
const KVM_CREATE_VM = 0xae01;
const KVM_GET_VCPU_MMAP_SIZE = 0xae04;
const KVM_CREATE_VCPU = 0xae41;
const KVM_RUN = 0xae80;
const KVM_SET_USER_MEMORY_REGION = 0x4020ae46;
const KVM_SET_REGS = 0x4090ae82;
const KVM_GET_SREGS = 0x8138ae83;
const KVM_SET_SREGS = 0x4138ae84;
const KVM_EXIT_IO = 2;
const KVM_EXIT_HLT = 5;

/** Offsets in struct kvm_run and struct kvm_sregs. */
const RUN = { exitReason: 8, ioPort: 34, ioDataOffset: 40, length: 48 };
const SREGS = { size: 312, cs: 0, ds: 24, ss: 120, cr0: 224, cr3: 240, cr4: 248, efer: 264 };
const REGS = { size: 144, rip: 128, rflags: 136 };

const SIZE = 0x10000;
/** The page tables map the first 2 MiB to themselves; the code lies behind them. */
const [PML4, PDPT, PD, CODE] = [0x1000, 0x2000, 0x3000, 0x4000];
const PRESENT_WRITABLE = 3n;
const LARGE_PAGE = 0x80n;
const PORT = 0x10;
const LETTER = "K".charCodeAt(0);

/** The letter is in the upper half of a register of 64 bits, which only long mode has. */
const INSTRUCTIONS = [
  ...[0x48, 0xb8, 0, 0, 0, 0, LETTER, 0, 0, 0], // mov $LETTER << 32, %rax
  ...[0x48, 0xc1, 0xe8, 0x20], // shr $32, %rax
  ...[0xe6, PORT], // out %al, $PORT
  0xf4, // hlt
];

function ioctl(name: string, fd: number, request: number, arg: number | Uint8Array<ArrayBuffer>) {
  return orThrow(enterKernel(OWN_NUMBERS.ioctl, [fd, request, arg]), `ioctl(${name})`);
}

function map(length: number, flags: number, fd: number): bigint {
  const address = libc().mmap(0n, BigInt(length), PROT_READ | PROT_WRITE, flags, fd, 0n);
  if (address === 0xffff_ffff_ffff_ffffn) throw new Error("mmap failed");
  return address;
}

function guestMemory(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SIZE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(PML4, BigInt(PDPT) | PRESENT_WRITABLE, true);
  view.setBigUint64(PDPT, BigInt(PD) | PRESENT_WRITABLE, true);
  view.setBigUint64(PD, LARGE_PAGE | PRESENT_WRITABLE, true);
  bytes.set([...Deno.args.map(Number), ...INSTRUCTIONS], CODE);
  return bytes;
}

function enterLongMode(sregs: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(sregs.buffer);
  const segment = (at: number, selector: number, type: number, isLong: boolean) => {
    view.setBigUint64(at, 0n, true);
    view.setUint32(at + 8, 0xffff_ffff, true);
    view.setUint16(at + 12, selector, true);
    // type, present, dpl, db, s, l, g, avl, unusable
    sregs.set([type, 1, 0, isLong ? 0 : 1, 1, isLong ? 1 : 0, 1, 0, 0], at + 14);
  };
  segment(SREGS.cs, 8, 11, true);
  for (let at = SREGS.ds; at <= SREGS.ss; at += 24) segment(at, 16, 3, false);
  view.setBigUint64(SREGS.cr3, BigInt(PML4), true);
  view.setBigUint64(SREGS.cr4, 1n << 5n, true); // PAE
  view.setBigUint64(SREGS.cr0, 1n << 31n | 1n << 4n | 1n, true); // PG, ET, PE
  view.setBigUint64(SREGS.efer, 1n << 8n | 1n << 10n, true); // LME, LMA
}

function main(): void {
  const kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  const vm = ioctl("KVM_CREATE_VM", kvm, KVM_CREATE_VM, 0);
  const memory = map(SIZE, MAP_SHARED | MAP_ANONYMOUS, -1);
  libc().memcpy(memory, guestMemory(), BigInt(SIZE));
  const region = new BigUint64Array([0n, 0n, BigInt(SIZE), memory]);
  const asBytes = new Uint8Array(region.buffer);
  ioctl("KVM_SET_USER_MEMORY_REGION", vm, KVM_SET_USER_MEMORY_REGION, asBytes);
  const processor = ioctl("KVM_CREATE_VCPU", vm, KVM_CREATE_VCPU, 0);
  const runBytes = ioctl("KVM_GET_VCPU_MMAP_SIZE", kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  const run = map(runBytes, MAP_SHARED, processor);
  const sregs = new Uint8Array(SREGS.size);
  ioctl("KVM_GET_SREGS", processor, KVM_GET_SREGS, sregs);
  enterLongMode(sregs);
  ioctl("KVM_SET_SREGS", processor, KVM_SET_SREGS, sregs);
  const regs = new Uint8Array(REGS.size);
  const registers = new DataView(regs.buffer);
  registers.setBigUint64(REGS.rip, BigInt(CODE), true);
  registers.setBigUint64(REGS.rflags, 2n, true); // a bit that is always set
  ioctl("KVM_SET_REGS", processor, KVM_SET_REGS, regs);

  const exit = () => {
    ioctl("KVM_RUN", processor, KVM_RUN, 0);
    const seen = new DataView(readMemory(Deno.pid, run, RUN.length).slice().buffer);
    return {
      reason: seen.getUint32(RUN.exitReason, true),
      port: seen.getUint16(RUN.ioPort, true),
      data: run + seen.getBigUint64(RUN.ioDataOffset, true),
    };
  };
  const { reason, port, data } = exit();
  const written = reason === KVM_EXIT_IO && port === PORT && readMemory(Deno.pid, data, 1)[0];
  if (written !== LETTER) {
    throw new Error(`a virtual processor does not run: it leaves KVM_RUN for reason ${reason}`);
  }
  const end = exit().reason;
  if (end !== KVM_EXIT_HLT) throw new Error(`a virtual processor does not halt: reason ${end}`);
}

if (import.meta.main) {
  try {
    main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
