/** /proc/PID/auxv: the auxiliary vector that the kernel gave to the program, getauxval(3). */
import { procFolder, unlessGone } from "./gone.ts";

/**
 * The whole vector as hexadecimal digits, undefined when the process is gone; to be asked of a thread `tid` that lives. Its addresses are random: two program
 * images of one process, before and after execve(2), have different ones.
 */
export function readAuxv(pid: number, tid?: number): string | undefined {
  return unlessGone(() => Deno.readFileSync(`${procFolder(pid, tid)}/auxv`))?.toHex();
}
