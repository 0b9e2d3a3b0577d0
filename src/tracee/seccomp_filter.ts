/**
 * What a seccomp filter answers to a system call, without making it: an interpreter of classic BPF, as far as seccomp(2)
 * takes it (seccomp_check_filter() in kernel/seccomp.c, bpf_check_classic() in net/core/filter.c). Pure.
 */
import {
  BPF_A,
  BPF_ABS,
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_DIV,
  BPF_IMM,
  BPF_JA,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JMP,
  BPF_JSET,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_LSH,
  BPF_MEM,
  BPF_MISC,
  BPF_MUL,
  BPF_NEG,
  BPF_OR,
  BPF_RET,
  BPF_RSH,
  BPF_ST,
  BPF_STX,
  BPF_SUB,
  BPF_TAX,
  BPF_TXA,
  BPF_W,
  BPF_X,
  BPF_XOR,
} from "../ffi/bpf_constants.ts";
import {
  SECCOMP_RET_ACTION_FULL,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
  SECCOMP_RET_KILL_THREAD,
  SECCOMP_RET_LOG,
  SECCOMP_RET_TRACE,
} from "../ffi/constants.ts";
import { seccompData, sockFilter } from "../ffi/structs.ts";
import { Struct } from "../struct.ts";

/** A system call as a filter sees it. */
export interface FilteredCall {
  readonly number: number;
  /** AUDIT_ARCH_* of <linux/audit.h>. */
  readonly auditArch: number;
  /** Of the instruction behind the one that enters the kernel. */
  readonly instructionPointer: bigint;
  /** At most six; the others are 0. */
  readonly args: readonly bigint[];
}

/** `struct sock_filter[]`, as a program installs it. */
export type FilterProgram = Uint8Array<ArrayBuffer>;

/** What becomes of a call. */
export type Verdict =
  /** It is made. */
  | "allowed"
  /** It is not made, and returns an error. */
  | "refused"
  /** It ends the process, raises SIGSYS, or waits for another process. */
  | "forbidden";

/**
 * The verdict of all of `filters` together on a call in a process that is not traced: the strictest action counts, which
 * is the smallest as a signed number. Without a filter every call is allowed.
 */
export function verdictOf(filters: readonly FilterProgram[], call: FilteredCall): Verdict {
  const data = dataOf(call);
  let strictest = SECCOMP_RET_ALLOW | 0;
  for (const filter of filters) {
    const action = (runFilter(filter, data) & SECCOMP_RET_ACTION_FULL) | 0;
    strictest = Math.min(strictest, action);
  }
  switch (strictest) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
      return "allowed";
    case SECCOMP_RET_ERRNO:
    // Without a tracer: ENOSYS.
    case SECCOMP_RET_TRACE:
      return "refused";
    // The others, and those that are not known: the kernel takes these for SECCOMP_RET_KILL_PROCESS.
    default:
      return "forbidden";
  }
}

/** `struct seccomp_data` of a call, in words of 32 bits: little-endian. */
export function dataOf(call: FilteredCall): Uint32Array<ArrayBuffer> {
  const data = new Struct(seccompData)
    .set("nr", call.number)
    .set("arch", call.auditArch)
    .set("instruction_pointer", BigInt.asUintN(64, call.instructionPointer));
  const args = new DataView(data.bytes.buffer, seccompData.fields.args[0]);
  call.args.forEach((value, index) => args.setBigUint64(8 * index, value, true));
  return new Uint32Array(data.bytes.buffer);
}

const LENGTH = seccompData.size;
const INSTRUCTION = sockFilter.size;
const PLACE = {
  code: sockFilter.fields.code[0],
  jt: sockFilter.fields.jt[0],
  jf: sockFilter.fields.jf[0],
  k: sockFilter.fields.k[0],
};

/** The low three bits of an instruction's code, and the source of its second operand. */
const CLASS = 0x07;

/**
 * What `filter` returns for `data`, as an unsigned number. A division by zero ends it with 0. Nothing else can go wrong:
 * the kernel installs no filter that might run past its end, jump back, or use memory that it has not set.
 */
export function runFilter(filter: FilterProgram, data: Uint32Array): number {
  const program = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  const memory = new Uint32Array(BPF_MEMWORDS);
  let [a, x] = [0, 0];
  for (let at = 0; at < filter.length; at += INSTRUCTION) {
    const code = program.getUint16(at + PLACE.code, true);
    const k = program.getUint32(at + PLACE.k, true);
    const operand = (code & BPF_X) !== 0 ? x : k;
    switch (code & CLASS) {
      case BPF_LD:
      case BPF_LDX: {
        const value = load(code & ~CLASS, k, data, memory);
        if ((code & CLASS) === BPF_LD) a = value;
        else x = value;
        break;
      }
      case BPF_ST:
        memory[k] = a;
        break;
      case BPF_STX:
        memory[k] = x;
        break;
      case BPF_MISC:
        if ((code & ~CLASS) === BPF_TAX) x = a;
        else if ((code & ~CLASS) === BPF_TXA) a = x;
        break;
      case BPF_ALU:
        if ((code & OPERATION) === BPF_DIV && operand === 0) return SECCOMP_RET_KILL_THREAD;
        a = compute(code & OPERATION, a, operand) >>> 0;
        break;
      case BPF_JMP: {
        const taken = (code & OPERATION) === BPF_JA
          ? k
          : program.getUint8(at + (holds(code & OPERATION, a, operand) ? PLACE.jt : PLACE.jf));
        at += INSTRUCTION * taken;
        break;
      }
      case BPF_RET:
        return (code & BPF_A) !== 0 ? a : k;
    }
  }
  return SECCOMP_RET_KILL_PROCESS;
}

const BPF_MEMWORDS = 16;
const OPERATION = 0xf0;

function load(mode: number, k: number, data: Uint32Array, memory: Uint32Array): number {
  switch (mode) {
    case BPF_W | BPF_ABS:
      return data[k / 4] ?? 0;
    case BPF_W | BPF_LEN:
      return LENGTH;
    case BPF_MEM:
      return memory[k] ?? 0;
    case BPF_IMM:
    default:
      return k;
  }
}

function compute(operation: number, a: number, operand: number): number {
  switch (operation) {
    case BPF_ADD:
      return a + operand;
    case BPF_SUB:
      return a - operand;
    case BPF_MUL:
      return Math.imul(a, operand);
    case BPF_DIV:
      return Math.floor(a / operand);
    case BPF_OR:
      return a | operand;
    case BPF_AND:
      return a & operand;
    case BPF_XOR:
      return a ^ operand;
    // Of a register that holds more than 31 the processors take the low five bits.
    case BPF_LSH:
      return a << operand;
    case BPF_RSH:
      return a >>> operand;
    case BPF_NEG:
      return -a;
    default:
      return 0;
  }
}

function holds(condition: number, a: number, operand: number): boolean {
  switch (condition) {
    case BPF_JEQ:
      return a === operand;
    case BPF_JGT:
      return a > operand;
    case BPF_JGE:
      return a >= operand;
    case BPF_JSET:
      return (a & operand) !== 0;
    default:
      return false;
  }
}
