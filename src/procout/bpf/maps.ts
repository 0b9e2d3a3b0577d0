/** The maps that the programs share with us. */
import { createMap, type MapDefinition } from "../../ffi/bpf.ts";
import {
  BPF_F_MMAPABLE,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_RINGBUF,
} from "../../ffi/bpf_constants.ts";
import { CALL, CALL_BASE, GIVEN, LOSS, NEXT_PROGRAM, SCRATCH, STATS } from "./layout.ts";

/** Processes that can be watched at once. */
const MOST_PROCESSES = 65536;
/** Threads, or descriptors of them, whose losses are counted apart. */
const MOST_LOSSES = 4096;
/** Threads that are held while they wait in the kernel. */
const MOST_HELD = 4096;
/** Alarms that nobody has heard yet: some hundreds. One page, the least that a ring may have. */
export const ALARM_BYTES = 4096;

const NAMES = [
  "ring",
  "alarms",
  "processes",
  "fds",
  "calls",
  "losses",
  "held",
  "stats",
  "given",
  "scratch",
  "programs",
] as const;

/** Descriptors. */
export type Maps = Readonly<Record<(typeof NAMES)[number], number>>;

function hash(keyBytes: number, valueBytes: number, entries: number): MapDefinition {
  return { type: BPF_MAP_TYPE_HASH, keyBytes, valueBytes, entries };
}

function array(valueBytes: number, entries: number, flags = 0): MapDefinition {
  return { type: BPF_MAP_TYPE_ARRAY, keyBytes: 4, valueBytes, entries, flags };
}

function ring(entries: number): MapDefinition {
  return { type: BPF_MAP_TYPE_RINGBUF, keyBytes: 0, valueBytes: 0, entries };
}

/** `page` is the size of one, `opened` is told of each descriptor. Throws SyscallError. */
export function createMaps(
  ringBytes: number,
  numbers: number,
  page: number,
  opened: (fd: number) => void,
): Maps {
  const definitions: Readonly<Record<keyof Maps, MapDefinition>> = {
    ring: ring(ringBytes),
    alarms: ring(Math.max(ALARM_BYTES, page)),
    processes: hash(4, 4, MOST_PROCESSES),
    fds: hash(4, 4, Math.max(1, numbers)),
    calls: array(CALL.size, CALL_BASE.end),
    held: hash(4, 4, MOST_HELD),
    losses: hash(LOSS.keySize, 8, MOST_LOSSES),
    stats: array(STATS.size, 1, BPF_F_MMAPABLE),
    given: array(GIVEN.size, 1),
    scratch: { ...array(SCRATCH.size, 1), type: BPF_MAP_TYPE_PERCPU_ARRAY },
    programs: { ...array(4, NEXT_PROGRAM.count), type: BPF_MAP_TYPE_PROG_ARRAY },
  };
  return Object.fromEntries(NAMES.map((name) => {
    const fd = createMap(`procout_${name}`, definitions[name]);
    opened(fd);
    return [name, fd];
  })) as Maps;
}

/** A key or a value of 4 bytes. */
export function word(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
