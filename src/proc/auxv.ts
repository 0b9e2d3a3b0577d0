/** /proc/PID/auxv: the auxiliary vector that the kernel gave to the program, getauxval(3). */
import { AT_NULL, AT_PHENT } from "../ffi/constants.ts";
import { procFolder, readable, unlessGone } from "./gone.ts";

/**
 * A digest of the whole vector, 16 hexadecimal digits; to be asked of a thread `tid` that lives. Its addresses are random:
 * two program images of one process, before and after execve(2), have different ones.
 */
export function readImage(pid: number, tid?: number): string {
  const bytes = unlessGone(() => readBytes(pid, tid));
  return digest(bytes ?? new Uint8Array());
}

/** FNV-1a, of 64 bits. Nobody gains anything by another vector with the same one: it is a process' own. */
function digest(bytes: Uint8Array): string {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash.toString(16).padStart(16, "0");
}

function readBytes(pid: number, tid: number | undefined): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(`${procFolder(pid, tid)}/auxv`);
}

/** Of <elf.h>: `sizeof(Elf32_Phdr)`, `sizeof(Elf64_Phdr)`. */
const PROGRAM_HEADER_BYTES = { 4: 32, 8: 56 } as const;

/** Whether the vector is that of a 32-bit program, 4 bytes a word, or of a 64-bit one, 8; undefined when it is of none. */
export function parseWordBytes(vector: Uint8Array<ArrayBuffer>): 4 | 8 | undefined {
  const view = new DataView(vector.buffer, vector.byteOffset, vector.byteLength);
  const word = (size: 4 | 8, at: number) =>
    size === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
  return ([8, 4] as const).find((size) => {
    for (let at = 0; at + 2 * size <= view.byteLength; at += 2 * size) {
      const type = word(size, at);
      if (type === AT_PHENT) return word(size, at + size) === PROGRAM_HEADER_BYTES[size];
      if (type === AT_NULL) return false;
    }
    return false;
  });
}

/**
 * As {@linkcode parseWordBytes}, of the program that thread `tid` runs; also undefined when the kernel does not let us see
 * it. The program's file tells the same, but may be on a file system that does not answer.
 */
export function readWordBytes(pid: number, tid: number): 4 | 8 | undefined {
  return readable(() => parseWordBytes(readBytes(pid, tid)));
}
