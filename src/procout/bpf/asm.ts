/** Pieces of text that the programs are put together from. Pure. */
import type { Offsets } from "./btf.ts";
import { PROCESS } from "./layout.ts";

/** What the programs have to know of the kernel's structures. */
export const KERNEL_STRUCTURES = {
  task_struct: ["files", "signal", "thread_pid", "thread_info"],
  files_struct: ["fdt"],
  fdtable: ["fd", "max_fds"],
  file: ["f_inode"],
  inode: ["i_mode", "i_rdev", "i_sb"],
  super_block: ["s_magic"],
  signal_struct: ["live", "pids", "tty"],
  tty_struct: ["driver", "index"],
  tty_driver: ["major", "minor_start"],
  pid: ["level", "numbers"],
  upid: ["nr", "ns"],
  pid_namespace: ["ns"],
  ns_common: ["inum"],
} as const;

export type KernelOffsets = Offsets<typeof KERNEL_STRUCTURES>;

/** Our own pid namespace, where it is not the first one: its inode number and how deep it is. */
export interface Namespace {
  readonly inode: number;
  readonly level: number;
}

/** On the stack of every program, below r10. */
export const STACK = {
  /** u32 each, as we number them; one u64 for the kernel. */
  tid: 8,
  pid: 4,
  key: 12,
  context: 24,
  a: 32,
  b: 40,
  c: 48,
  d: 56,
  e: 64,
  f: 72,
  g: 80,
  h: 88,
  i: 96,
  /** A record of the ring, for programs that do without the scratch memory. */
  record: 136,
} as const;

/** `enum pid_type` of the kernel. */
export const PIDTYPE_TGID = 1;
/** sizeof(struct upid) is that of an int and a pointer. */
const UPID_BYTES = 16;

/** Operand for `place` on the stack: `(r10 - 8)`. */
export function at(place: number): string {
  return `(r10 - ${place})`;
}

/** Read `bytes` at the address in `from` plus `offset` in the kernel to `place` on the stack; else go to `failed`. */
export function peek(
  place: number,
  bytes: number,
  from: string,
  offset: number,
  failed = "out",
): string {
  return `
    r3 = ${from}
    r3 += ${offset}
    r1 = r10
    r1 += -${place}
    r2 = ${bytes}
    call probe_read_kernel
    if r0 != 0 goto ${failed}`;
}

/** Add `register` to one of STATS. */
export function count(stat: number, register: string): string {
  return `
    r1 = value stats + ${stat}
    lock *(u64 *)(r1 + 0) += ${register}`;
}

/** r6 = the scratch memory of this processor. */
export const SCRATCH_TO_R6 = `
    *(u32 *)${at(STACK.key)} = 0
    r1 = map scratch
    r2 = r10
    r2 += -${STACK.key}
    call map_lookup_elem
    if r0 == 0 goto out
    r6 = r0`;

/** The numbers of the current thread and process, as we number them, to STACK; to `out` where we see neither. */
export function identify(kernel: KernelOffsets, namespace: Namespace | undefined): string {
  if (namespace === undefined) {
    return `
    call get_current_pid_tgid
    *(u64 *)${at(STACK.tid)} = r0`;
  }
  return `
    call get_current_task
    *(u64 *)${at(STACK.a)} = r0
    ${peek(STACK.b, 8, "r0", kernel["task_struct.thread_pid"])}
    ${numberIn(STACK.tid, STACK.b, kernel, namespace)}
    ${peek(STACK.b, 8, `*(u64 *)${at(STACK.a)}`, kernel["task_struct.signal"])}
    ${
    peek(
      STACK.b,
      8,
      `*(u64 *)${at(STACK.b)}`,
      kernel["signal_struct.pids"] + 8 * PIDTYPE_TGID,
    )
  }
    ${numberIn(STACK.pid, STACK.b, kernel, namespace)}`;
}

/** The number in our namespace of the `struct pid` that `pid` on the stack points to, to `place` there. Uses STACK.c. */
export function numberIn(
  place: number,
  pid: number,
  kernel: KernelOffsets,
  namespace: Namespace | undefined,
): string {
  const struct = `*(u64 *)${at(pid)}`;
  const upid = kernel["pid.numbers"] + UPID_BYTES * (namespace?.level ?? 0);
  const number = peek(place, 4, struct, upid + kernel["upid.nr"]);
  if (namespace === undefined) return number;
  return `
    ${peek(STACK.c, 4, struct, kernel["pid.level"])}
    r1 = *(u32 *)${at(STACK.c)}
    if r1 < ${namespace.level} goto out
    ${peek(STACK.c, 8, struct, upid + kernel["upid.ns"])}
    ${
    peek(
      STACK.c,
      4,
      `*(u64 *)${at(STACK.c)}`,
      kernel["pid_namespace.ns"] + kernel["ns_common.inum"],
    )
  }
    r1 = *(u32 *)${at(STACK.c)}
    if w1 != ${namespace.inode} goto out
    ${number}`;
}

/** Go on when the current process, whose number is on the stack, is watched. */
export function onlyWatched(other = "out"): string {
  return `
    r1 = map processes
    r2 = r10
    r2 += -${STACK.pid}
    call map_lookup_elem
    if r0 == 0 goto out
    r1 = *(u32 *)(r0 + 0)
    if w1 != ${PROCESS.watched} goto ${other}`;
}

/** Field of the scratch memory in r6. */
export function scratch(offset: number, type = "u64"): string {
  return `*(${type} *)(r6 + ${offset})`;
}

export const END = `
  out:
    r0 = 0
    exit`;
