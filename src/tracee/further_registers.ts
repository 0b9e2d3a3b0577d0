/** Further registers of threads: those of a set that this processor, or this kernel, lacks are asked for once. */
import type { RegisterSetName } from "../arch/mod.ts";
import { getFurtherRegisters } from "./ptrace.ts";

export class FurtherRegisters {
  readonly #absent = new Set<RegisterSetName>();

  /** `undefined` where there are none of that name. */
  get(tid: number, name: RegisterSetName): Uint8Array<ArrayBuffer> | undefined {
    if (this.#absent.has(name)) return undefined;
    const image = getFurtherRegisters(tid, name);
    if (image === undefined) this.#absent.add(name);
    return image;
  }
}
