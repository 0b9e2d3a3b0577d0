/**
 * Where in a tracee the code stands that its signal frames need: a system call instruction that returns, and
 * a call of rt_sigreturn(2). The C library has both.
 */
import { type Architecture, ARCHITECTURES } from "../arch/mod.ts";
import { type Mapping, readExecutableMaps } from "../proc/maps.ts";
import { CodeReader } from "./code_memory.ts";

export interface ReturnSites {
  readonly syscall: bigint;
  readonly sigreturn: bigint;
  /** The end of the code at `sigreturn`, which is that of its system call instruction. */
  readonly afterSigreturn: bigint;
}

const CHUNK = 1 << 18;
/** A program without a C library may have the code in tens of megabytes of its own. */
const MOST_BYTES = 1 << 24;

/** Finds the sites, and keeps where they were: other processes have mapped the same files. */
export class ReturnSiteCache {
  /** Offsets in the files of mappings; undefined where all that is looked at of a mapping was read and has none. */
  readonly #known = new Map<string, number | undefined>();
  readonly #soughtEarly = new Set<number>();

  /** The sites in process `pid`, of which `tid` is a thread that lives; `undefined` when one is not there. */
  find(
    pid: number,
    tid: number,
    arch: Architecture,
    maps = readExecutableMaps(pid, tid) ?? [],
  ): ReturnSites | undefined {
    return findReturnSites(this.#known, pid, tid, arch, maps);
  }

  /**
   * Look for the sites while the process still runs, once for each process: little of the search is left for when it is
   * stopped. An error is ignored, for the search is repeated then.
   */
  findEarly(pid: number): void {
    if (this.#soughtEarly.has(pid)) return;
    this.#soughtEarly.add(pid);
    try {
      const maps = readExecutableMaps(pid, pid) ?? [];
      const misses = new Misses();
      for (const arch of ARCHITECTURES) {
        if (canPointTo(arch, maps)) locate(this.#known, pid, pid, arch, maps, misses);
      }
      misses.keep(this.#known, pid, pid);
    } catch {
      // Gone, or not ours to read.
    }
  }
}

type KnownOffsets = Map<string, number | undefined>;

function findReturnSites(
  known: KnownOffsets,
  pid: number,
  tid: number,
  arch: Architecture,
  maps: readonly Mapping[],
): ReturnSites | undefined {
  const misses = new Misses();
  const sites = locate(known, pid, tid, arch, maps, misses);
  misses.keep(known, pid, tid);
  return sites;
}

function locate(
  known: KnownOffsets,
  pid: number,
  tid: number,
  arch: Architecture,
  maps: readonly Mapping[],
  misses: Misses,
): ReturnSites | undefined {
  if (arch.signalFrames === undefined) return undefined;
  const { returningSyscall, sigreturns } = arch.signalFrames;
  const mappings = inSearchOrder(maps);
  const alignment = arch.instructionAlignment;
  const code = new CodeReader(pid, tid);
  const syscall = search(known, code, mappings, [returningSyscall], alignment, misses);
  const sigreturn = search(known, code, mappings, sigreturns, alignment, misses);
  const mapping = mappings.find(({ start, end }) =>
    sigreturn !== undefined && sigreturn >= start && sigreturn < end
  );
  if (syscall === undefined || sigreturn === undefined || mapping === undefined) return undefined;
  const form = sigreturns.find((pattern) => standsAt(code, mapping, sigreturn, pattern));
  if (form === undefined) return undefined;
  return { syscall, sigreturn, afterSigreturn: sigreturn + BigInt(form.length) };
}

/**
 * Whether registers of `arch` hold every address of a process. Where 32-bit code runs in a 64-bit process they do not,
 * and a 32-bit signal frame would not restore the upper halves of its registers.
 */
export function canPointTo(arch: Architecture, maps: readonly Mapping[]): boolean {
  return maps.every(({ path, end }) =>
    path === "[vsyscall]" || end <= 1n << BigInt(arch.addressBits)
  );
}

/** C libraries first, then the smallest: what is mapped from a file, or is the program's own. */
function inSearchOrder(mappings: readonly Mapping[]): Mapping[] {
  const rank = ({ path }: Mapping) => /\/(libc[.-]|libpthread|ld-musl)[^/]*$/.test(path) ? 0 : 1;
  const size = ({ start, end }: Mapping) => Number(end - start);
  return mappings
    .filter(({ executable, readable, path }) => executable && readable && path !== "[vsyscall]")
    .toSorted((a, b) => rank(a) - rank(b) || size(a) - size(b));
}

function search(
  known: KnownOffsets,
  code: CodeReader,
  mappings: readonly Mapping[],
  patterns: readonly Uint8Array[],
  alignment: number,
  misses: Misses,
): bigint | undefined {
  let left = MOST_BYTES;
  for (const mapping of mappings) {
    const key = mapping.inode === 0n
      ? undefined
      : `${mapping.dev} ${mapping.inode} ${mapping.offset} ${
        patterns.map((bytes) => bytes.toHex())
      }`;
    if (key !== undefined && known.has(key)) {
      const offset = known.get(key);
      if (offset === undefined) continue;
      const address = mapping.start + BigInt(offset);
      if (patterns.some((pattern) => standsAt(code, mapping, address, pattern))) return address;
    }
    const { offset, isWhole } = searchMapping(code, mapping, patterns, alignment, left);
    if (offset !== undefined) {
      if (key !== undefined) known.set(key, offset);
      return mapping.start + BigInt(offset);
    }
    if (key !== undefined && isWhole && !code.isPartial(mapping)) misses.add(key, mapping);
    left -= Number(mapping.end - mapping.start);
    if (left <= 0) return undefined;
  }
  return undefined;
}

/**
 * Mappings that were searched in vain. A process that runs may have executed another program since its mappings were
 * read: then something else was searched, or nothing. They are looked at once more, for all that was searched together:
 * with thousands of mappings the kernel takes seconds to list them.
 */
class Misses {
  readonly #searched: { readonly key: string; readonly mapping: Mapping }[] = [];

  add(key: string, mapping: Mapping): void {
    this.#searched.push({ key, mapping });
  }

  /** What is still there is known not to have the code. */
  keep(known: KnownOffsets, pid: number, tid: number): void {
    if (this.#searched.length === 0) return;
    const now = readExecutableMaps(pid, tid) ?? [];
    for (const { key, mapping: { start, dev, inode, offset } } of this.#searched) {
      const isThere = now.some((one) =>
        one.start === start && one.dev === dev && one.inode === inode && one.offset === offset
      );
      if (isThere) known.set(key, undefined);
    }
  }
}

function standsAt(
  code: CodeReader,
  mapping: Mapping,
  address: bigint,
  pattern: Uint8Array,
): boolean {
  const bytes = code.read(mapping, address, pattern.length);
  return bytes.length === pattern.length && pattern.every((byte, index) => bytes[index] === byte);
}

function searchMapping(
  code: CodeReader,
  mapping: Mapping,
  patterns: readonly Uint8Array[],
  alignment: number,
  most: number,
): { readonly offset: number | undefined; readonly isWhole: boolean } {
  const { start, end } = mapping;
  const longest = Math.max(...patterns.map(({ length }) => length));
  const overlap = Math.ceil((longest - 1) / alignment) * alignment;
  const size = Math.min(Number(end - start), most);
  let isWhole = true;
  for (let from = 0; from < size; from += CHUNK - overlap) {
    const wanted = Math.min(CHUNK, size - from);
    const bytes = code.read(mapping, start + BigInt(from), wanted);
    isWhole &&= bytes.length === wanted;
    for (const pattern of patterns) {
      const found = indexOfBytes(bytes, pattern, alignment);
      if (found >= 0) return { offset: from + found, isWhole };
    }
  }
  return { offset: undefined, isWhole };
}

/** The engine searches text much faster than bytes. ISO 8859-1, as far as it matters here: one character a byte. */
function indexOfBytes(bytes: Uint8Array, pattern: Uint8Array, alignment: number): number {
  const [text, wanted] = [LATIN1.decode(bytes), LATIN1.decode(pattern)];
  let found = text.indexOf(wanted);
  while (found >= 0 && found % alignment !== 0) found = text.indexOf(wanted, found + 1);
  return found;
}

const LATIN1 = new TextDecoder("iso-8859-1");
