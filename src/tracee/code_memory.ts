/**
 * Reading a tracee's code, which is mapped from files. A page that is not in memory is read from its file. A program may
 * serve that file. If we have stopped that program, the read would wait for it for ever.
 */
import { libc } from "../ffi/libc.ts";
import { procFolder } from "../proc/gone.ts";
import type { Mapping } from "../proc/maps.ts";
import { isServed, type Mounts, readMounts } from "../proc/mounts.ts";
import { readMemoryUpTo } from "./remote_memory.ts";

/** For process `pid`, of which `tid` is a thread that lives. */
export class CodeReader {
  readonly #mounts: Mounts;

  constructor(readonly pid: number, readonly tid: number) {
    this.#mounts = readMounts(pid, tid);
  }

  /** Whether what is in memory of `mapping` is all that may be read: it may be more another time. */
  isPartial(mapping: Mapping): boolean {
    return isServed(mapping, this.#mounts);
  }

  /** Up to `length` bytes at `address`, which is in `mapping`. Of pages that would have to be asked for, all are 0. */
  read(mapping: Mapping, address: bigint, length: number): Uint8Array<ArrayBuffer> {
    const { pid, tid } = this;
    return this.isPartial(mapping)
      ? readPresent(pid, tid, address, length)
      : readMemoryUpTo(tid, address, length);
  }
}

function readPresent(
  pid: number,
  tid: number,
  address: bigint,
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const pageSize = BigInt(libc().getpagesize());
  const end = address + BigInt(length);
  const first = address / pageSize;
  const present = presentPages(pid, tid, first, Number((end - 1n) / pageSize - first) + 1);
  for (const [index, isPresent] of present.entries()) {
    if (!isPresent) continue;
    const page = (first + BigInt(index)) * pageSize;
    const from = page < address ? address : page;
    const to = page + pageSize > end ? end : page + pageSize;
    bytes.set(readMemoryUpTo(tid, from, Number(to - from)), Number(from - address));
  }
  return bytes;
}

/** Bit 63 of an entry of proc_pid_pagemap(5): the page is in memory, and mapped. */
const PRESENT = 1n << 63n;

function presentPages(pid: number, tid: number, first: bigint, count: number): boolean[] {
  try {
    using file = Deno.openSync(`${procFolder(pid, tid)}/pagemap`);
    file.seekSync(first * 8n, Deno.SeekMode.Start);
    const entries = new BigUint64Array(count);
    file.readSync(new Uint8Array(entries.buffer));
    return Array.from(entries, (entry) => (entry & PRESENT) !== 0n);
  } catch {
    return []; // not to be seen, as in a kernel without it
  }
}
