/** The architectures this executable can trace, told apart by the size of the register set. */
import type { Architecture } from "./arch.ts";
import { aarch64 } from "./aarch64.ts";
import { i386 } from "./i386.ts";
import { x86_64 } from "./x86_64.ts";

export type {
  Architecture,
  BlockedCall,
  Registers,
  RegisterSetName,
  SignalFrames,
  SyscallName,
  WatchedCall,
} from "./arch.ts";

export { hasVectors } from "./aarch64_signal_frames.ts";

/** All that this executable knows. */
export const ARCHITECTURES: readonly Architecture[] = [x86_64, i386, aarch64];

/** At least as long as any NT_PRSTATUS set; the kernel says how much of it is used. */
export const MAX_REGISTER_SET_SIZE = 512;

/** At least as long as any other set: 11 KiB of NT_X86_XSTATE with the tiles of AMX, 9 KiB of NT_ARM_SVE. */
export const MAX_EXTENDED_STATE_SIZE = 1 << 14;

/**
 * The architecture whose NT_PRSTATUS set has `size` bytes: a 64-bit kernel gives a 32-bit thread's
 * registers in the 32-bit set. `undefined` when this executable does not know it.
 */
export function architectureOf(size: number): Architecture | undefined {
  return ARCHITECTURES.find((arch) => arch.registerSetSize === size);
}

/** Why programs of so many bytes a word cannot be traced on `machine`; `undefined` when nothing speaks against it. */
export function unsupportedProgram(
  wordBytes: number | undefined,
  machine: string = Deno.build.arch,
): string | undefined {
  return wordBytes === 4 && machine === "aarch64"
    ? "it is a 32-bit arm program, and only 64-bit ones are supported"
    : undefined;
}

/** Whether threads may have to be asked what call they are blocked in before they are stopped. */
export const ASK_BEFORE_STOP = ARCHITECTURES.some((arch) =>
  arch.name === Deno.build.arch && arch.earlyRestart !== undefined
);
