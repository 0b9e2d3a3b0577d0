/** Restartable sequences: rseq(2). */
import { SyscallError } from "../errors.ts";
import { getRseqAddress } from "./ptrace.ts";
import { readMemory, readMemoryUpTo, writeMemory } from "./remote_memory.ts";

/** Of `struct rseq`: cpu_id_start and cpu_id, four bytes each, precede the pointer. rseq(2) */
const RSEQ_CS_OFFSET = 8n;

/** `struct rseq_cs { __u32 version, flags; __u64 start_ip, post_commit_offset, abort_ip; }` */
const RSEQ_CS_SIZE = 32;

/**
 * The thread's pointer to its restartable sequence, rseq(2). The kernel clears
 * it when the thread runs code outside of the sequence. Without the pointer a thread that was stopped inside a sequence
 * would finish it as if it had never left its processor.
 */
export class RseqSection {
  private constructor(
    readonly tid: number,
    readonly address: bigint,
    readonly pointer: Uint8Array<ArrayBuffer>,
  ) {}

  /** `undefined` when the thread is in no sequence. */
  static save(tid: number): RseqSection | undefined {
    const rseq = getRseqAddress(tid);
    if (rseq === undefined) return undefined;
    try {
      const address = rseq + RSEQ_CS_OFFSET;
      const pointer = readMemory(tid, address, 8);
      return pointer.every((byte) => byte === 0)
        ? undefined
        : new RseqSection(tid, address, pointer);
    } catch (error) {
      if (error instanceof SyscallError) return undefined;
      throw error;
    }
  }

  restore(): void {
    writeMemory(this.tid, this.address, this.pointer);
  }

  /** Where the kernel would send the thread, were it interrupted at `instruction`; `undefined` if it is not inside. */
  abortAddress(instruction: bigint): bigint | undefined {
    const section = new DataView(this.pointer.buffer).getBigUint64(0, true);
    const bytes = readMemoryUpTo(this.tid, section, RSEQ_CS_SIZE);
    if (bytes.length < RSEQ_CS_SIZE) return undefined;
    const view = new DataView(bytes.buffer);
    const [start, length] = [view.getBigUint64(8, true), view.getBigUint64(16, true)];
    const offset = instruction - start;
    return offset >= 0n && offset < length ? view.getBigUint64(24, true) : undefined;
  }
}
