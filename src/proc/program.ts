/** What kind of machine code a process runs: the ELF header of /proc/PID/exe, elf(5). */
import { procFolder, readable } from "./gone.ts";

const MAGIC = "\x7fELF";
const MACHINE_OFFSET = 18;
const HEADER_SIZE = 20;

/** EM_* of a program file that begins with `bytes`; `undefined` for one that is not ELF of a little-endian machine. */
export function parseElfMachine(bytes: Uint8Array<ArrayBuffer>): number | undefined {
  if (bytes.length < HEADER_SIZE) return undefined;
  if (String.fromCharCode(...bytes.subarray(0, MAGIC.length)) !== MAGIC) return undefined;
  const isLittleEndian = bytes[5] === 1;
  return isLittleEndian ? new DataView(bytes.buffer).getUint16(MACHINE_OFFSET, true) : undefined;
}

/** As {@linkcode parseElfMachine}, of process `pid`; also `undefined` when the kernel does not let us read it. */
export function readElfMachine(pid: number, tid = pid): number | undefined {
  const header = new Uint8Array(HEADER_SIZE);
  return readable(() => {
    using file = Deno.openSync(`${procFolder(pid, tid)}/exe`);
    return parseElfMachine(header.subarray(0, file.readSync(header) ?? 0));
  });
}
