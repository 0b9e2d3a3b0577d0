/** All registers of a thread, its signal mask and its restartable sequence, as they were before it made calls for us. */
import type { Registers } from "../arch/mod.ts";
import { getRegisters, getSignalMask, setRegisters, setSignalMask } from "./ptrace.ts";
import { retrySyscall } from "./retry_syscall.ts";
import { RseqSection } from "./rseq_section.ts";
import type { Tracee } from "./tracee.ts";
import { VectorRegisters } from "./vector_registers.ts";

export class SavedRegisters {
  readonly #tid: number;
  /** The general registers. */
  general: Registers;
  readonly signalMask: bigint;
  /** Where the thread goes on if it was in a restartable sequence. */
  readonly abort: bigint | undefined;
  readonly #rseqSection: RseqSection | undefined;
  readonly #vectors: VectorRegisters | undefined;

  /** Of the main thread of `tracee`; `ask` makes the requests for them. */
  constructor(tracee: Tracee, ask: <T>(action: () => T) => T) {
    const tid = this.#tid = tracee.mainTid;
    this.general = ask(() => getRegisters(tid));
    this.signalMask = ask(() => getSignalMask(tid));
    this.#rseqSection = RseqSection.save(tid);
    this.#vectors = VectorRegisters.save(tracee);
    this.abort = this.#rseqSection?.abortAddress(tracee.arch.instructionPointer(this.general));
  }

  /**
   * The general registers come last: as long as the thread has ours, it can still bring itself back. Once it has its own,
   * `afterwards` is called, whatever else failed.
   */
  restore(afterwards: () => void): void {
    try {
      this.#rseqSection?.restore();
    } finally {
      try {
        this.#vectors?.restore();
      } finally {
        retrySyscall(() => setSignalMask(this.#tid, this.signalMask));
        retrySyscall(() => setRegisters(this.#tid, this.general));
        afterwards();
      }
    }
  }
}
