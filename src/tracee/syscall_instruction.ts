/**
 * Where in a tracee an instruction stands that enters the kernel. None is ever written: patched
 * text would need W^X exceptions and could be run by another thread.
 */
import type { Architecture } from "../arch/mod.ts";
import { RefusedError } from "../errors.ts";
import { type Mapping, readExecutableMaps } from "../proc/maps.ts";
import { CodeReader } from "./code_memory.ts";

const CHUNK = 1 << 16;
/** The process is stopped during the search, and may have mapped terabytes of nothing. */
const MOST_BYTES = 1n << 26n;

/**
 * Address of a system call instruction in process `pid`, of which `tid` is a thread that lives: in
 * the vdso if it has one, else in the first executable mapping that does. Never the one at `parked`,
 * where a thread is stopped: the kernel may restart the interrupted call there. Nor one that registers
 * of `arch` cannot point to, as in a 64-bit process that runs 32-bit code. Throws RefusedError when
 * there is none.
 */
export function findSyscallInstruction(
  pid: number,
  tid: number,
  arch: Architecture,
  parked: bigint,
): bigint {
  const code = new CodeReader(pid, tid);
  let left = MOST_BYTES;
  for (const mapping of inSearchOrder(readExecutableMaps(pid, tid) ?? [])) {
    if (mapping.end > 1n << BigInt(arch.addressBits)) continue;
    const end = min(mapping.end, mapping.start + left);
    const found = searchMapping(code, arch, { ...mapping, end }, parked);
    if (found !== undefined) return found;
    left -= end - mapping.start;
    if (left === 0n) break;
  }
  throw new RefusedError(
    `Process ${pid} cannot be made to call the kernel: its memory holds no system call instruction`,
  );
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** Executable mappings, the vdso first. */
export function inSearchOrder(mappings: readonly Mapping[]): Mapping[] {
  const executable = mappings.filter((mapping) => mapping.executable);
  const isVdso = (mapping: Mapping) => mapping.path === "[vdso]";
  return [
    ...executable.filter(isVdso),
    ...executable.filter((mapping) => !isVdso(mapping) && mapping.path !== "[vsyscall]"),
  ];
}

function searchMapping(
  code: CodeReader,
  arch: Architecture,
  mapping: Mapping,
  parked: bigint,
): bigint | undefined {
  const overlap = arch.syscallInstruction.length - 1;
  for (let start = mapping.start; start < mapping.end; start += BigInt(CHUNK - overlap)) {
    const left = mapping.end - start;
    const bytes = code.read(mapping, start, left < CHUNK ? Number(left) : CHUNK);
    const found = findInstruction(bytes, start, arch, parked);
    if (found !== undefined) return found;
    if (left <= CHUNK) break;
  }
  return undefined;
}

/** The first usable instruction in `bytes`, which stand at address `start`. */
export function findInstruction(
  bytes: Uint8Array,
  start: bigint,
  arch: Architecture,
  parked: bigint,
): bigint | undefined {
  const wanted = arch.syscallInstruction;
  // The tracee is stopped during the search: let the engine's own search skip to the first byte.
  const [first] = wanted;
  if (first === undefined) return undefined;
  for (let index = bytes.indexOf(first); index >= 0; index = bytes.indexOf(first, index + 1)) {
    if (!wanted.every((byte, offset) => bytes[index + offset] === byte)) continue;
    const address = start + BigInt(index);
    if (address % BigInt(arch.instructionAlignment) === 0n && address !== parked) return address;
  }
  return undefined;
}
