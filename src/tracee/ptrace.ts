/**
 * ptrace(2), one function a request.
 *
 * Precondition of all but `seize` and `interrupt`: the thread is in a ptrace-stop, and this is the
 * operating-system thread that seized it. A thread that is gone is always TraceeDiedError; any other
 * failure is a SyscallError.
 */
import {
  MAX_EXTENDED_STATE_SIZE,
  MAX_REGISTER_SET_SIZE,
  type Registers,
  type RegisterSetName,
} from "../arch/mod.ts";
import { PtraceError, SyscallError, TraceeDiedError } from "../errors.ts";
import {
  NT_ARM_GCS,
  NT_ARM_SSVE,
  NT_ARM_SVE,
  NT_ARM_SYSTEM_CALL,
  NT_PRFPREG,
  NT_PRSTATUS,
  NT_X86_XSTATE,
  PTRACE_CONT,
  PTRACE_DETACH,
  PTRACE_GET_RSEQ_CONFIGURATION,
  PTRACE_GET_SYSCALL_INFO,
  PTRACE_GETEVENTMSG,
  PTRACE_GETREGSET,
  PTRACE_GETSIGMASK,
  PTRACE_INTERRUPT,
  PTRACE_PEEKSIGINFO,
  PTRACE_SECCOMP_GET_FILTER,
  PTRACE_SEIZE,
  PTRACE_SETOPTIONS,
  PTRACE_SETREGSET,
  PTRACE_SETSIGMASK,
  PTRACE_SYSCALL,
} from "../ffi/constants.ts";
import { describeErrno, ERRNO } from "../ffi/errno.ts";
import { enterKernelInARow } from "../ffi/kernel_entry.ts";
import { libc } from "../ffi/libc.ts";
import { addressOf } from "../ffi/memory.ts";
import { raw } from "../ffi/raw.ts";
import { iovec, ptraceRseqConfiguration, ptraceSyscallInfo, sockFilter } from "../ffi/structs.ts";
import { OWN_NUMBERS } from "../ffi/syscall_numbers.ts";
import { Struct } from "../struct.ts";
import { isDying } from "./dying.ts";

const REQUEST_NAMES: Readonly<Record<number, string>> = {
  [PTRACE_CONT]: "PTRACE_CONT",
  [PTRACE_DETACH]: "PTRACE_DETACH",
  [PTRACE_GETEVENTMSG]: "PTRACE_GETEVENTMSG",
  [PTRACE_GETREGSET]: "PTRACE_GETREGSET",
  [PTRACE_GETSIGMASK]: "PTRACE_GETSIGMASK",
  [PTRACE_GET_SYSCALL_INFO]: "PTRACE_GET_SYSCALL_INFO",
  [PTRACE_INTERRUPT]: "PTRACE_INTERRUPT",
  [PTRACE_PEEKSIGINFO]: "PTRACE_PEEKSIGINFO",
  [PTRACE_SECCOMP_GET_FILTER]: "PTRACE_SECCOMP_GET_FILTER",
  [PTRACE_SEIZE]: "PTRACE_SEIZE",
  [PTRACE_SETOPTIONS]: "PTRACE_SETOPTIONS",
  [PTRACE_SETREGSET]: "PTRACE_SETREGSET",
  [PTRACE_SETSIGMASK]: "PTRACE_SETSIGMASK",
  [PTRACE_SYSCALL]: "PTRACE_SYSCALL",
};

/** These need no stop: for them ESRCH means that the thread is gone, or that another has its number now. */
const NEED_NO_STOP: readonly number[] = [PTRACE_SEIZE, PTRACE_INTERRUPT];

function orDied(value: number, request: number, tid: number): number {
  const isGone = value === -ERRNO.ESRCH && (NEED_NO_STOP.includes(request) || isDying(tid));
  if (isGone) throw new TraceeDiedError(tid);
  if (value < 0) {
    throw new PtraceError(REQUEST_NAMES[request] ?? `${request}`, tid, describeErrno(-value));
  }
  return value;
}

function request(op: number, tid: number, addr = 0, data = 0): number {
  return orDied(
    raw(libc().ptrace(op, tid, BigInt(addr), BigInt(data)), "ptrace", op, tid, addr, data),
    op,
    tid,
  );
}

export function requestBuffer(
  op: number,
  tid: number,
  addr: number,
  data: Uint8Array<ArrayBuffer>,
): number {
  return orDied(askBuffer(op, tid, addr, data), op, tid);
}

function askBuffer(op: number, tid: number, addr: number, data: Uint8Array<ArrayBuffer>): number {
  return raw(libc().ptraceBuffer(op, tid, BigInt(addr), data), "ptrace", op, tid, addr, data);
}

/** Attach without stopping; `options` are PTRACE_O_* bits. */
export function seize(tid: number, options: number): void {
  request(PTRACE_SEIZE, tid, 0, options);
}

/** Ask a seized thread to stop. Sends no signal. */
export function interrupt(tid: number): void {
  request(PTRACE_INTERRUPT, tid);
}

/** Replace the PTRACE_O_* bits. */
export function setOptions(tid: number, options: number): void {
  request(PTRACE_SETOPTIONS, tid, 0, options);
}

/** Let the thread run; `signal` is delivered only out of a signal-delivery-stop. */
export function resume(
  tid: number,
  mode: typeof PTRACE_CONT | typeof PTRACE_SYSCALL,
  signal = 0,
): void {
  request(mode, tid, 0, signal);
}

/** Let the thread go; `signal` is delivered only out of a signal-delivery-stop. */
export function detach(tid: number, signal = 0): void {
  request(PTRACE_DETACH, tid, 0, signal);
}

/** The general registers; their length tells the architecture. */
export function getRegisters(tid: number): Registers {
  return getRegisterSet(tid, NT_PRSTATUS);
}

const REGISTER_SETS: Readonly<Record<RegisterSetName, number>> = {
  NT_ARM_GCS,
  NT_ARM_SSVE,
  NT_ARM_SVE,
  NT_PRFPREG,
  NT_X86_XSTATE,
};

/** Further registers; `undefined` where there are none of that name. */
export function getFurtherRegisters(
  tid: number,
  name: RegisterSetName,
): Uint8Array<ArrayBuffer> | undefined {
  try {
    return getRegisterSet(tid, REGISTER_SETS[name]);
  } catch (error) {
    if (!(error instanceof SyscallError) || !NO_SUCH_SET.includes(error.errno)) throw error;
    return undefined;
  }
}

const NO_SUCH_SET: readonly number[] = [ERRNO.EINVAL, ERRNO.ENODEV];

/** Replace further registers. */
export function setFurtherRegisters(
  tid: number,
  name: RegisterSetName,
  image: Uint8Array<ArrayBuffer>,
): void {
  setRegisterSet(tid, REGISTER_SETS[name], image);
}

/** One buffer for all requests: the tracee stands still while they are made. It holds nothing from one to the next. */
const VECTOR = new Struct(iovec);

function vectorOf(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return VECTOR.set("iov_base", addressOf(bytes)).set("iov_len", BigInt(bytes.length)).bytes;
}

const REGISTERS = new Uint8Array(Math.max(MAX_REGISTER_SET_SIZE, MAX_EXTENDED_STATE_SIZE));

function getRegisterSet(tid: number, set: number): Uint8Array<ArrayBuffer> {
  requestBuffer(PTRACE_GETREGSET, tid, set, vectorOf(REGISTERS));
  return REGISTERS.slice(0, Number(VECTOR.get("iov_len")));
}

/** Replace the general registers. */
export function setRegisters(tid: number, registers: Registers): void {
  setRegisterSet(tid, NT_PRSTATUS, registers);
}

function setRegisterSet(tid: number, set: number, bytes: Uint8Array<ArrayBuffer>): void {
  requestBuffer(PTRACE_SETREGSET, tid, set, vectorOf(bytes));
}

/**
 * In a syscall-entry-stop: put `registers` in the place of the thread's, and, where that is no register, `number` in the
 * place of the call's, and let the thread make this call, up to its next stop. What has been changed lasts for as short
 * as can be before the thread runs: until then this program may be killed.
 */
export function enterInstead(tid: number, registers: Registers, number: number | undefined): void {
  REGISTERS.set(registers);
  NUMBER[0] = number ?? -1;
  const setRegisters = vectorOf(REGISTERS.subarray(0, registers.length));
  const setNumber = NUMBER_VECTOR.set("iov_base", addressOf(new Uint8Array(NUMBER.buffer)))
    .set("iov_len", BigInt(NUMBER.byteLength)).bytes;
  const requests: [op: number, addr: number, data: bigint | Uint8Array<ArrayBuffer>][] = [
    [PTRACE_SETREGSET, NT_PRSTATUS, setRegisters],
    [PTRACE_SETREGSET, NT_ARM_SYSTEM_CALL, setNumber],
    [PTRACE_SYSCALL, 0, 0n],
  ];
  if (number === undefined) requests.splice(1, 1);
  const calls = requests.map(([op, ...rest]) => ({
    number: OWN_NUMBERS.ptrace,
    args: [op, tid, ...rest],
  }));
  orDied(enterKernelInARow(calls), PTRACE_SYSCALL, tid);
}

// Not collected as garbage while only the kernel knows their addresses.
const NUMBER = new Int32Array(1);
const NUMBER_VECTOR = new Struct(iovec);

/** In a syscall-entry-stop of aarch64: let the kernel make another call, or none for -1. */
export function replaceSyscall(tid: number, number: number): void {
  setRegisterSet(tid, NT_ARM_SYSTEM_CALL, new Uint8Array(Int32Array.of(number).buffer));
}

const SIGSET_SIZE = 8;

/**
 * The mask of blocked signals, bit N-1 for signal N. For a thread that was stopped in sigsuspend,
 * ppoll and the like it is the one that is in force after the call, which sets its own again.
 */
export function getSignalMask(tid: number): bigint {
  const mask = new BigUint64Array(1);
  requestBuffer(PTRACE_GETSIGMASK, tid, SIGSET_SIZE, new Uint8Array(mask.buffer));
  const [blocked = 0n] = mask;
  return blocked;
}

/** Replace the mask of blocked signals. SIGKILL and SIGSTOP cannot be blocked. */
export function setSignalMask(tid: number, mask: bigint): void {
  requestBuffer(
    PTRACE_SETSIGMASK,
    tid,
    SIGSET_SIZE,
    new Uint8Array(BigUint64Array.of(mask).buffer),
  );
}

/** For {@linkcode setSignalMask}: every signal that can be blocked. */
export const ALL_SIGNALS = 0xffff_ffff_ffff_ffffn;

/** What PTRACE_GETEVENTMSG holds: after PTRACE_EVENT_CLONE the child's PID, as we number it. */
export function getEventMessage(tid: number): number {
  const message = new BigUint64Array(1);
  requestBuffer(PTRACE_GETEVENTMSG, tid, 0, new Uint8Array(message.buffer));
  const [pid = 0n] = message;
  return Number(pid);
}

/** At a syscall-stop: PTRACE_SYSCALL_INFO_ENTRY or _EXIT, and for the latter the raw result. */
export function getSyscallInfo(tid: number): { op: number; result: bigint } {
  const info = new Struct(ptraceSyscallInfo);
  requestBuffer(PTRACE_GET_SYSCALL_INFO, tid, ptraceSyscallInfo.size, info.bytes);
  return { op: info.get("op"), result: info.get("exit.rval") };
}

/**
 * The thread's seccomp filter `index`, the oldest first; `undefined` when it has no such. For the holder of CAP_SYS_ADMIN
 * that is under no filter itself: ptrace(2). The kernel's other errors are thrown.
 */
export function getSeccompFilter(tid: number, index: number): Uint8Array<ArrayBuffer> | undefined {
  const count = raw(
    libc().ptrace(PTRACE_SECCOMP_GET_FILTER, tid, BigInt(index), 0n),
    "ptrace",
    ...[PTRACE_SECCOMP_GET_FILTER, tid, index, 0],
  );
  if (count === -ERRNO.ENOENT) return undefined;
  orDied(count, PTRACE_SECCOMP_GET_FILTER, tid);
  const filter = new Uint8Array(sockFilter.size * count);
  requestBuffer(PTRACE_SECCOMP_GET_FILTER, tid, index, filter);
  return filter;
}

/**
 * Where the thread's `struct rseq` is (see rseq(2)), or `undefined` when it registered none or the
 * kernel (before 5.13, or without CONFIG_RSEQ) cannot tell.
 */
export function getRseqAddress(tid: number): bigint | undefined {
  const configuration = new Struct(ptraceRseqConfiguration);
  const answer = askBuffer(
    PTRACE_GET_RSEQ_CONFIGURATION,
    tid,
    ptraceRseqConfiguration.size,
    configuration.bytes,
  );
  const address = configuration.get("rseq_abi_pointer");
  return answer < 0 || address === 0n ? undefined : address;
}
