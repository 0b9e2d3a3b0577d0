/** Asks the kernel for what own_room.ts decides on. */
import { RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_NOFILE } from "../ffi/constants.ts";
import { ownLimit } from "../ffi/own_limits.ts";
import { lackOfRoom, type OwnRoom } from "./own_room.ts";

/** Open files for tracing other processes: before the first of them, and for each of them. */
const FILES_AT_FIRST = 48;
const FILES_OF_EACH = 4;

/** Throws RefusedError when there is too little room. To be asked before anything is touched. */
export function requireOwnRoom(): void {
  // The file is read only where it can be opened.
  const files = ownLimit(RLIMIT_NOFILE).soft;
  const lack = lackOfRoom({ files, memory: [] }) ?? lackOfRoom({ files, memory: readMemory() });
  if (lack !== undefined) throw lack;
}

/** Throws RefusedError when there are too few open files to trace so many `processes` at the same time. */
export function requireFilesFor(processes: number): void {
  const files = ownLimit(RLIMIT_NOFILE).soft;
  const lack = lackOfRoom({ files, memory: [] }, FILES_AT_FIRST + FILES_OF_EACH * processes);
  if (lack !== undefined) throw lack;
}

/** Where RLIM_INFINITY is no limit. */
const UNLIMITED = 0xffff_ffff_ffff_ffffn;

/** What to know before this program serves a job: nothing keeps the kernel from SIGKILL at the hard RLIMIT_CPU. */
export function cpuWarning(): string | undefined {
  const { hard } = ownLimit(RLIMIT_CPU);
  if (hard === UNLIMITED) return undefined;
  return `RLIMIT_CPU ends this program after ${hard} seconds of processor time, and its terminal with it`;
}

function readMemory(): OwnRoom["memory"] {
  const limits = [
    { name: "RLIMIT_AS", option: "-v", limit: ownLimit(RLIMIT_AS).soft, line: "VmSize" },
    { name: "RLIMIT_DATA", option: "-d", limit: ownLimit(RLIMIT_DATA).soft, line: "VmData" },
  ] as const;
  const status = Deno.readTextFileSync("/proc/self/status");
  return limits.map(({ line, ...limit }) => {
    const kilobytes = new RegExp(`^${line}:\\s*(\\d+) kB$`, "m").exec(status)?.[1] ?? "0";
    return { ...limit, used: BigInt(kilobytes) << 10n };
  });
}
