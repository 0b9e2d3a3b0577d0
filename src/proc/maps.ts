/** /proc/PID/maps: proc_pid_maps(5). */

import { readProcLines, readProcText } from "./gone.ts";

export interface Mapping {
  /** First address, and the first one after the end. */
  readonly start: bigint;
  readonly end: bigint;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly shared: boolean;
  /** Byte offset in the file. */
  readonly offset: bigint;
  /** `major:minor` in hex, as the kernel prints it. */
  readonly dev: string;
  readonly inode: bigint;
  /** Path, `[stack]`, `[vdso]`, or empty. The kernel writes a newline in a path as `\012`. */
  readonly path: string;
}

const LINE = /^([0-9a-f]+)-([0-9a-f]+) ([r-])([w-])([x-])([sp]) ([0-9a-f]+) (\S+) (\d+) *(.*)$/s;

/** Parses a maps file; throws SyntaxError at a line that has another shape. */
export function parseMaps(text: string): Mapping[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const match = line.match(LINE);
    if (match === null) throw new SyntaxError(`Not a /proc/PID/maps line: ${JSON.stringify(line)}`);
    const [, start, end, r, w, x, s, offset, dev = "", inode = "", path = ""] = match;
    return {
      start: BigInt(`0x${start}`),
      end: BigInt(`0x${end}`),
      readable: r === "r",
      writable: w === "w",
      executable: x === "x",
      shared: s === "s",
      offset: BigInt(`0x${offset}`),
      dev,
      inode: BigInt(inode),
      path,
    };
  });
}

/**
 * Those that are executable, and the main thread's stack. All others are passed over before they are parsed, which the
 * process stands still for: there may be thousands.
 */
export function readExecutableMaps(pid: number, tid: number): Mapping[] | undefined {
  const text = readProcLines(pid, tid, "maps", LONGEST, executableOrStack);
  return text === undefined ? undefined : parseMaps(text);
}

/** Millions of mappings, or a quarter of one, all of whose names have the 4096 bytes that a path may have. */
const LONGEST = 1 << 30;

/** Those of the lines of a maps file. A line ends at a newline alone: a path may hold a carriage return. Pure. */
export function executableOrStack(lines: string): string {
  return (`\n${lines}`.match(EXECUTABLE_OR_STACK) ?? []).join("");
}

const EXECUTABLE_OR_STACK = /\n(?:[0-9a-f]+-[0-9a-f]+ ..x[^\n]*|[^\n]*\[stack\](?=\n))/g;

/** Mappings of a process; undefined when it is gone. Empty for a zombie and a kernel thread. */
export function readMaps(pid: number, tid?: number): Mapping[] | undefined {
  const text = readProcText(pid, tid, "maps");
  return text === undefined ? undefined : parseMaps(text);
}
