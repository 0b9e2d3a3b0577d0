/** Registers that a system call clears: saved before a thread that was in no system call makes calls for us. */
import { hasVectors, type RegisterSetName } from "../arch/mod.ts";
import { setFurtherRegisters } from "./ptrace.ts";
import { retrySyscall } from "./retry_syscall.ts";
import type { Tracee } from "./tracee.ts";

export class VectorRegisters {
  private constructor(
    readonly tid: number,
    readonly name: RegisterSetName,
    readonly image: Uint8Array<ArrayBuffer>,
  ) {}

  /** `undefined` when there is nothing to lose. */
  static save({ session, mainTid: tid, arch }: Tracee): VectorRegisters | undefined {
    for (const name of arch.discardedByCalls ?? []) {
      const image = retrySyscall(() => session.furtherRegisters.get(tid, name));
      if (image !== undefined && hasVectors(image)) return new VectorRegisters(tid, name, image);
    }
    return undefined;
  }

  restore(): void {
    retrySyscall(() => setFurtherRegisters(this.tid, this.name, this.image));
  }
}
