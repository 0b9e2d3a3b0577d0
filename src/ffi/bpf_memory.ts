/** What a program in the kernel writes, as memory of ours: mmap(2) of maps. It stays mapped until this program ends. */
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "./constants.ts";
import { SyscallError } from "../errors.ts";
import { describeErrno, ERRNO } from "./errno.ts";
import { libc } from "./libc.ts";

/** `(void *) -1`: mmap(2). */
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

function map(fd: number, offset: number, bytes: number, protection: number): ArrayBuffer {
  const address = libc().mmap(0n, BigInt(bytes), protection, MAP_SHARED, fd, BigInt(offset));
  const pointer = address === MAP_FAILED ? null : Deno.UnsafePointer.create(address);
  // Nothing else can be wrong with these arguments but that there is no memory, or too much of it locked.
  if (pointer === null) throw new SyscallError("mmap", describeErrno(ERRNO.ENOMEM));
  return Deno.UnsafePointerView.getArrayBuffer(pointer, bytes);
}

/** Bytes of a page: what positions in a ring's mapping are multiples of. */
export function pageBytes(): number {
  return libc().getpagesize();
}

/** The value of a map of one element that is BPF_F_MMAPABLE, to be read only. Throws SyscallError. */
export function mapValue(fd: number, bytes: number): ArrayBuffer {
  return map(fd, 0, bytes, PROT_READ);
}

/** A BPF_MAP_TYPE_RINGBUF as <linux/bpf.h> and Documentation/bpf/ringbuf.rst describe its mapping. */
export interface RingMemory {
  /** A page with the position up to which we have read, an unsigned long: ours to write. */
  readonly consumer: ArrayBuffer;
  /** A page with the position up to which the kernel has written, then the data, twice one after the other. */
  readonly producerAndData: ArrayBuffer;
  /** Where in that the data begins. */
  readonly dataOffset: number;
}

/** Map the ring `fd` of `bytes` bytes. Throws SyscallError. */
export function mapRing(fd: number, bytes: number): RingMemory {
  const page = pageBytes();
  return {
    consumer: map(fd, 0, page, PROT_READ | PROT_WRITE),
    producerAndData: map(fd, page, page + 2 * bytes, PROT_READ),
    dataOffset: page,
  };
}
