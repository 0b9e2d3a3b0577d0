/** Which output a descriptor belongs to, as text for a program: the rule of `descriptors.ts`, asked of the kernel. Pure. */
import { ANON_INODE_FS_MAGIC } from "../../ffi/bpf_constants.ts";
import { S_IFCHR, S_IFMT } from "../../ffi/constants.ts";
import { at, END, type KernelOffsets, peek, scratch, STACK } from "./asm.ts";
import { GIVEN, RECORD, SCRATCH } from "./layout.ts";

const FD = scratch(SCRATCH.record + RECORD.fd, "u32");

/** /dev/tty: MKDEV(TTYAUX_MAJOR, 0), as the kernel keeps numbers of devices. */
const MINOR_BITS = 20;
const DEV_TTY = 5 << MINOR_BITS;
/** No address in the kernel is that low, and no number of a device that high. */
const DEVICE_BIT = 32;

const slot = (place: number) => `*(u64 *)${at(place)}`;

function key(place: number, name: string, kernel: KernelOffsets): string {
  return `
    ${keyOf(place, name, kernel)}
  ${name}_done:`;
}

/** STACK.a = the current task, STACK.b = its `struct file *[]`, STACK.c = how many they are. */
function table(kernel: KernelOffsets): string {
  return `
    call get_current_task
    ${slot(STACK.a)} = r0
    ${peek(STACK.b, 8, "r0", kernel["task_struct.files"])}
    r1 = ${slot(STACK.b)}
    if r1 == 0 goto out
    ${peek(STACK.b, 8, "r1", kernel["files_struct.fdt"])}
    ${peek(STACK.c, 4, slot(STACK.b), kernel["fdtable.max_fds"])}
    ${peek(STACK.b, 8, slot(STACK.b), kernel["fdtable.fd"])}`;
}

/**
 * Go to `found` with r1 = 1 or 2 when descriptor FD is one of the outputs that the command was given, the same open file
 * as 1 or 2, or another one of the same file; else to `out`. r6 is the scratch memory.
 */
export function streamOfFile(kernel: KernelOffsets, hasGiven: boolean): string {
  return `
    ${table(kernel)}
    r1 = ${FD}
    r2 = *(u32 *)${at(STACK.c)}
    if r1 >= r2 goto out
    r1 <<= 3
    r2 = ${slot(STACK.b)}
    r1 += r2
    ${peek(STACK.c, 8, "r1", 0)}
    r2 = ${slot(STACK.c)}
    if r2 == 0 goto out
    ${hasGiven ? givenOutput(kernel) : ""}
    ${peek(STACK.d, 8, slot(STACK.b), 8 * 1)}
    ${peek(STACK.e, 8, slot(STACK.b), 8 * 2)}
    r2 = ${slot(STACK.c)}
    r1 = 1
    r3 = ${slot(STACK.d)}
    if r2 == r3 goto found
    r1 = 2
    r3 = ${slot(STACK.e)}
    if r2 == r3 goto found
    ${key(STACK.c, "key", kernel)}
    r2 = ${slot(STACK.c)}
    if r2 == 0 goto out
    ${key(STACK.d, "key1", kernel)}
    r1 = 1
    r2 = ${slot(STACK.c)}
    r3 = ${slot(STACK.d)}
    if r2 == r3 goto found
    ${key(STACK.e, "key2", kernel)}
    r1 = 2
    r2 = ${slot(STACK.c)}
    r3 = ${slot(STACK.e)}
    if r2 == r3 goto found
    goto out`;
}

/** The file of STACK.c, in r2, may be a given one. Of the command's children nothing else matters. */
function givenOutput(kernel: KernelOffsets): string {
  return `
    r4 = value given + 0
    r1 = 1
    r3 = *(u64 *)(r4 + ${GIVEN.file1})
    if r2 == r3 goto found
    r1 = 2
    r3 = *(u64 *)(r4 + ${GIVEN.file2})
    if r2 == r3 goto found
    ${slot(STACK.i)} = r2
    ${key(STACK.i, "given", kernel)}
    r2 = ${slot(STACK.i)}
    if r2 == 0 goto given_no_more
    r4 = value given + 0
    r3 = *(u64 *)(r4 + ${GIVEN.key1})
    if r2 == r3 goto given_by_number
    r3 = *(u64 *)(r4 + ${GIVEN.key2})
    if r2 == r3 goto given_by_number
  given_no_more:
    r4 = value given + 0
    r2 = *(u32 *)(r4 + ${GIVEN.command})
    if r2 == 0 goto given_to_all
    r1 = *(u32 *)${at(STACK.pid)}
    if r1 != r2 goto out
  given_to_all:
    r1 = ${FD}
    if r1 == 1 goto found
    if r1 == 2 goto found
    goto given_standard
  given_by_number:
    r2 = ${FD}
    r1 = 2
    if r2 == 2 goto found
    r1 = 1
    goto found
  given_standard:`;
}

/**
 * Run by ourselves: notes our own descriptors `stdout` and `stderr` as the given outputs. Where they are one open file
 * description only its key is noted: then the number in the command tells which output it is.
 */
export function givenText(kernel: KernelOffsets, stdout: number, stderr: number): string {
  const note = (fd: number, file: number, itsKey: number, name: string) => `
    ${peek(STACK.c, 8, slot(STACK.b), 8 * fd)}
    r1 = ${slot(STACK.c)}
    r4 = value given + 0
    *(u64 *)(r4 + ${file}) = r1
    ${key(STACK.c, name, kernel)}
    r1 = ${slot(STACK.c)}
    r4 = value given + 0
    *(u64 *)(r4 + ${itsKey}) = r1`;
  return `
    ${table(kernel)}
    ${note(stdout, GIVEN.file1, GIVEN.key1, "key1")}
    ${note(stderr, GIVEN.file2, GIVEN.key2, "key2")}
    r1 = *(u64 *)(r4 + ${GIVEN.file1})
    r2 = *(u64 *)(r4 + ${GIVEN.file2})
    if r1 != r2 goto noted
    r1 = 0
    *(u64 *)(r4 + ${GIVEN.file1}) = r1
    *(u64 *)(r4 + ${GIVEN.file2}) = r1
  noted:
    r0 = 1
    exit
    ${END}`;
}

/**
 * Replace the `struct file` pointer at `place`, by what is equal for the same file: its inode, or for a character device
 * its number. 0 for what is no file of its own.
 */
function keyOf(place: number, name: string, kernel: KernelOffsets): string {
  const pointer = slot(place);
  const f = `*(u64 *)${at(STACK.f)}`;
  const g = `*(u64 *)${at(STACK.g)}`;
  return `
    r1 = ${pointer}
    if r1 == 0 goto ${name}_done
    ${peek(place, 8, "r1", kernel["file.f_inode"])}
    ${peek(STACK.f, 8, pointer, kernel["inode.i_sb"])}
    ${peek(STACK.f, 8, f, kernel["super_block.s_magic"])}
    r1 = ${f}
    if r1 != ${ANON_INODE_FS_MAGIC} goto ${name}_real
    ${pointer} = 0
    goto ${name}_done
  ${name}_real:
    ${peek(STACK.f, 2, pointer, kernel["inode.i_mode"])}
    r1 = *(u16 *)${at(STACK.f)}
    r1 &= ${S_IFMT}
    if r1 != ${S_IFCHR} goto ${name}_done
    ${peek(STACK.f, 4, pointer, kernel["inode.i_rdev"])}
    r1 = *(u32 *)${at(STACK.f)}
    if r1 != ${DEV_TTY} goto ${name}_device
    ${peek(STACK.g, 8, `*(u64 *)${at(STACK.a)}`, kernel["task_struct.signal"])}
    ${peek(STACK.g, 8, g, kernel["signal_struct.tty"])}
    r1 = ${g}
    if r1 == 0 goto ${name}_tty
    ${peek(STACK.h, 4, g, kernel["tty_struct.index"])}
    ${peek(STACK.g, 8, g, kernel["tty_struct.driver"])}
    ${peek(STACK.f, 4, g, kernel["tty_driver.major"])}
    ${peek(STACK.g, 4, g, kernel["tty_driver.minor_start"])}
    r1 = *(u32 *)${at(STACK.f)}
    r1 <<= ${MINOR_BITS}
    r2 = *(u32 *)${at(STACK.g)}
    r1 += r2
    r2 = *(u32 *)${at(STACK.h)}
    r1 += r2
    goto ${name}_device
  ${name}_tty:
    r1 = ${DEV_TTY}
  ${name}_device:
    r2 = 1
    r2 <<= ${DEVICE_BIT}
    r1 |= r2
    ${pointer} = r1`;
}
