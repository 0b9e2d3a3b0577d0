/** Archives in the ustar format of POSIX, and gzip: the same entries always make the same bytes. Pure. */
import { gzipSync } from "node:zlib";

export type Entry =
  | {
    readonly path: string;
    readonly kind: "file";
    readonly bytes: Uint8Array;
    readonly mode: number;
  }
  | { readonly path: string; readonly kind: "link"; readonly to: string };

const BLOCK = 512;
const TYPE = { file: "0", link: "2", folder: "5" } as const;

/**
 * The entries sorted by path, each below folders of its own, all of root and of the time `seconds`.
 * Throws RangeError for a path or link that ustar cannot hold: more than 100 bytes.
 */
export function tar(entries: readonly Entry[], seconds: number): Uint8Array<ArrayBuffer> {
  const folders = new Set(entries.flatMap(({ path }) => foldersOf(path)));
  const sorted = [
    ...[...folders].map((path) => ({ path, kind: "folder" as const })),
    ...entries,
  ].sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
  const blocks = sorted.flatMap((entry) => {
    const head = header(entry, seconds);
    if (entry.kind !== "file") return [head];
    return [head, entry.bytes, new Uint8Array(padding(entry.bytes.length))];
  });
  blocks.push(new Uint8Array(2 * BLOCK));
  const size = blocks.reduce((sum, block) => sum + block.length, 0);
  const archive = new Uint8Array(size);
  let offset = 0;
  for (const block of blocks) {
    archive.set(block, offset);
    offset += block.length;
  }
  return archive;
}

/** gzip(1) with -n: neither name nor time in it. */
export function gzip(bytes: Uint8Array, level = 6): Uint8Array {
  const zipped = new Uint8Array(gzipSync(bytes, { level }));
  zipped.fill(0, 4, 8); // MTIME, RFC 1952
  zipped[9] = 3; // OS: Unix
  return zipped;
}

function foldersOf(path: string): readonly string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => `${parts.slice(0, index + 1).join("/")}/`);
}

function padding(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}

function header(
  entry: Entry | { readonly path: string; readonly kind: "folder" },
  seconds: number,
): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (offset: number, size: number, text: string) => {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > size) throw new RangeError(`Cannot archive ${entry.path}: too long`);
    block.set(bytes, offset);
  };
  const octal = (offset: number, size: number, value: number) =>
    put(offset, size, value.toString(8).padStart(size - 1, "0") + "\0");
  put(0, 100, entry.path);
  octal(100, 8, entry.kind === "file" ? entry.mode : entry.kind === "link" ? 0o777 : 0o755);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, entry.kind === "file" ? entry.bytes.length : 0);
  octal(136, 12, seconds);
  put(156, 1, TYPE[entry.kind]);
  if (entry.kind === "link") put(157, 100, entry.to);
  put(257, 8, "ustar\x0000");
  put(265, 32, "root");
  put(297, 32, "root");
  // The checksum is taken with blanks in its place.
  put(148, 8, " ".repeat(8));
  octal(148, 7, block.reduce((sum, byte) => sum + byte, 0));
  return block;
}
