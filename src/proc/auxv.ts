/** /proc/PID/auxv: the auxiliary vector that the kernel gave to the program, getauxval(3). */
import { procFolder, unlessGone } from "./gone.ts";

/**
 * A digest of the whole vector, 16 hexadecimal digits; to be asked of a thread `tid` that lives. Its addresses are random:
 * two program images of one process, before and after execve(2), have different ones.
 */
export function readImage(pid: number, tid?: number): string {
  const bytes = unlessGone(() => Deno.readFileSync(`${procFolder(pid, tid)}/auxv`));
  return digest(bytes ?? new Uint8Array());
}

/** FNV-1a, of 64 bits. Nobody gains anything by another vector with the same one: it is a process' own. */
function digest(bytes: Uint8Array): string {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash.toString(16).padStart(16, "0");
}
