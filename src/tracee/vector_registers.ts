/** Registers that a system call clears: kept before a thread makes calls for us, in whose midst it was not. */
import { type Architecture, hasVectors, type RegisterSetName } from "../arch/mod.ts";
import { retrySyscall } from "./retry_syscall.ts";
import { getFurtherRegisters, setFurtherRegisters } from "./ptrace.ts";

export class VectorRegisters {
  private constructor(
    readonly tid: number,
    readonly name: RegisterSetName,
    readonly image: Uint8Array<ArrayBuffer>,
  ) {}

  /** `undefined` when there is nothing to lose. */
  static save(tid: number, arch: Architecture): VectorRegisters | undefined {
    for (const name of arch.discardedByCalls ?? []) {
      const image = retrySyscall(() => getFurtherRegisters(tid, name));
      if (image !== undefined && hasVectors(image)) return new VectorRegisters(tid, name, image);
    }
    return undefined;
  }

  restore(): void {
    retrySyscall(() => setFurtherRegisters(this.tid, this.name, this.image));
  }
}
