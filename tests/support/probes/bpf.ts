/**
 * Whether eBPF can be used as the engine bpf uses it, by a program of its own: that of procout would have every test of
 * it skipped where procout is at fault.
 */
import {
  BPF_F_MMAPABLE,
  BPF_MAP_CREATE,
  BPF_MAP_LOOKUP_ELEM,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_RINGBUF,
  BPF_PROG_LOAD,
  BPF_PROG_TEST_RUN,
  BPF_PROG_TYPE_RAW_TRACEPOINT,
  BPF_RAW_TRACEPOINT_OPEN,
} from "../../../src/ffi/bpf_constants.ts";
import { pageBytes } from "../../../src/ffi/bpf_memory.ts";
import { close } from "../../../src/ffi/descriptor.ts";
import { enterKernel } from "../../../src/ffi/kernel_entry.ts";
import { addressOf, cString } from "../../../src/ffi/memory.ts";
import { allowLockedMemory } from "../../../src/ffi/process.ts";
import { orThrow } from "../../../src/ffi/raw.ts";
import { OWN_NUMBERS } from "../../../src/ffi/syscall_numbers.ts";
import { reasonOf } from "./attempt.ts";

/** Where the kernel tells about its structures, and how such a file begins: <linux/btf.h>. */
const TYPES = "/sys/kernel/btf/vmlinux";
const BTF_MAGIC = 0xeb9f;

/** union bpf_attr of <linux/bpf.h>, as far as it is used here: its fields by offset, each with its width. */
type Attributes = readonly (readonly [offset: number, width: 4 | 8, value: number | bigint])[];

function bpf(name: string, command: number, fields: Attributes): number {
  const bytes = new Uint8Array(128);
  const view = new DataView(bytes.buffer);
  for (const [offset, width, value] of fields) {
    if (width === 4) view.setUint32(offset, Number(value), true);
    else view.setBigUint64(offset, BigInt(value), true);
  }
  return orThrow(enterKernel(OWN_NUMBERS.bpf, [command, bytes, bytes.length]), `bpf(${name})`);
}

/** Counts in the map `hits` how often it is called, and reads a word of the kernel's memory, which lockdown forbids. */
function program(hits: number): Uint8Array<ArrayBuffer> {
  const [code, dst, src, offset, immediate] = [0, 1, 2, 3, 4] as const;
  const instructions = [
    [0x85, 0, 0, 0, 35], // call get_current_task
    [0xbf, 3, 0, 0, 0], // r3 = r0
    [0xbf, 1, 10, 0, 0], // r1 = r10
    [0x07, 1, 0, 0, -8], // r1 += -8
    [0xb7, 2, 0, 0, 8], // r2 = 8
    [0x85, 0, 0, 0, 113], // call probe_read_kernel
    [0x18, 1, 2, 0, hits], // r1 = value hits + 0: BPF_PSEUDO_MAP_VALUE
    [0x00, 0, 0, 0, 0],
    [0xb7, 2, 0, 0, 1], // r2 = 1
    [0xdb, 1, 2, 0, 0], // lock *(u64 *)(r1 + 0) += r2
    [0xb7, 0, 0, 0, 0], // r0 = 0
    [0x95, 0, 0, 0, 0], // exit
  ] as const;
  const bytes = new Uint8Array(8 * instructions.length);
  const view = new DataView(bytes.buffer);
  instructions.forEach((one, index) => {
    view.setUint8(8 * index, one[code]);
    view.setUint8(8 * index + 1, one[dst] | one[src] << 4);
    view.setInt16(8 * index + 2, one[offset], true);
    view.setInt32(8 * index + 4, one[immediate], true);
  });
  return bytes;
}

export function whyNoBpf(): string | undefined {
  const opened: number[] = [];
  const open = (...args: Parameters<typeof bpf>) => {
    const fd = bpf(...args);
    opened.push(fd);
    return fd;
  };
  using _allowed = allowLockedMemory();
  try {
    open("BPF_MAP_CREATE, ring", BPF_MAP_CREATE, [[0, 4, BPF_MAP_TYPE_RINGBUF], [
      12,
      4,
      pageBytes(),
    ]]);
    const hits = open("BPF_MAP_CREATE, array", BPF_MAP_CREATE, [
      ...[[0, 4, BPF_MAP_TYPE_ARRAY], [4, 4, 4], [8, 4, 8]] as const,
      ...[[12, 4, 1], [16, 4, BPF_F_MMAPABLE]] as const,
    ]);
    const instructions = program(hits);
    const license = cString("GPL");
    const loaded = open("BPF_PROG_LOAD", BPF_PROG_LOAD, [
      ...[[0, 4, BPF_PROG_TYPE_RAW_TRACEPOINT], [4, 4, instructions.length / 8]] as const,
      ...[[8, 8, addressOf(instructions)], [16, 8, addressOf(license)]] as const,
    ]);
    const name = cString("sys_exit");
    open("BPF_RAW_TRACEPOINT_OPEN", BPF_RAW_TRACEPOINT_OPEN, [
      ...[[0, 8, addressOf(name)], [8, 4, loaded]] as const,
    ]);
    const key = new Uint8Array(4);
    const value = new BigUint64Array(1);
    const count = () => {
      const bytes = new Uint8Array(value.buffer);
      bpf("BPF_MAP_LOOKUP_ELEM", BPF_MAP_LOOKUP_ELEM, [
        ...[[0, 4, hits], [8, 8, addressOf(key)], [16, 8, addressOf(bytes)]] as const,
      ]);
      return value[0]!;
    };
    // Each of these calls of ours passes the tracepoint itself.
    const before = count();
    if (count() === before) return "the kernel never calls a program that is attached to sys_exit";
    bpf("BPF_PROG_TEST_RUN", BPF_PROG_TEST_RUN, [[0, 4, loaded]]);
    return whyNoTypes();
  } catch (error) {
    return reasonOf(error);
  } finally {
    opened.forEach(close);
  }
}

function whyNoTypes(): string | undefined {
  try {
    using file = Deno.openSync(TYPES);
    const start = new Uint8Array(2);
    const isWhole = file.readSync(start) === 2 &&
      new DataView(start.buffer).getUint16(0, true) === BTF_MAGIC;
    return isWhole ? undefined : `${TYPES} is no BTF`;
  } catch (error) {
    return `the kernel does not tell about its structures: ${error}`;
  }
}
