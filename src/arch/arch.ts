/**
 * What the tracer must know of a processor: where registers stand in the NT_PRSTATUS set, how a
 * system call is made by hand, how an interrupted one is continued, and how C lays out the few
 * structures that injected calls need. Pure functions over bytes: every architecture is tested on
 * every host, and a new one is one new file beside this.
 */
import type { Layout, Scalar } from "../struct.ts";

/** Every system call that is ever injected. A name, so that no number stands outside `arch/`. */
export type SyscallName =
  | "clone"
  | "close"
  | "dup3"
  | "epoll_ctl"
  | "fcntl"
  | "getpgid"
  | "getpid"
  | "getsid"
  | "ioctl"
  | "mmap"
  | "munmap"
  | "recvmsg"
  | "rt_sigaction"
  | "setpgid"
  | "setsid"
  | "socketpair"
  | "wait4";

/** The bytes of a whole register set, as PTRACE_GETREGSET gives them. */
export type Registers = Uint8Array<ArrayBuffer>;

/**
 * A layout whose field names are checked, whatever the offsets. A C `long` or pointer is u32 or u64:
 * Struct.set() takes a bigint for both, what Struct.get() gives is converted before it is compared.
 */
export type AbiLayout<Names extends string> = Layout<Record<Names, readonly [number, Scalar]>>;

/** Structures laid in the tracee's memory, in its own ABI. */
export interface AbiStructs {
  readonly iovec: AbiLayout<"iov_base" | "iov_len">;
  readonly msghdr: AbiLayout<
    "msg_iov" | "msg_iovlen" | "msg_control" | "msg_controllen" | "msg_flags"
  >;
  readonly cmsghdr: AbiLayout<"cmsg_len" | "cmsg_level" | "cmsg_type">;
  /** The kernel's own `struct sigaction`, not the C library's: rt_sigaction(2). */
  readonly sigaction: AbiLayout<"sa_handler">;
  readonly epollEvent: AbiLayout<"events" | "data">;
}

/** The call that a thread was seen blocked in, before it was asked to stop: proc_pid_syscall(5). */
export interface BlockedCall {
  readonly number: bigint;
  /** Six. */
  readonly args: readonly bigint[];
  readonly stackPointer: bigint;
  /** Of the instruction after the one that entered the kernel. */
  readonly instructionPointer: bigint;
}

export interface Architecture {
  readonly name: string;
  /** Length of the NT_PRSTATUS register set: this is how a tracee's architecture is told. */
  readonly registerSetSize: number;
  /** Width of an address, and of a register. */
  readonly addressBits: 32 | 64;
  /** The instruction that enters the kernel, and its required alignment in bytes. */
  readonly syscallInstruction: Uint8Array;
  readonly instructionAlignment: number;
  readonly syscallNumbers: Readonly<Record<SyscallName, number>>;
  readonly structs: AbiStructs;
  /** `SIG_SETMASK`-style sets are 8 bytes on every Linux architecture that has 64 signals. */
  readonly sigsetSize: 8;
  /**
   * Of processors whose kernel decides about an interrupted call before the stop, and shows only what has come of it:
   * one that will be made again stands before its instruction, and gets the number of restart_syscall(2) where
   * that is needed no sooner than it moves on; of one that has failed the first argument is gone.
   */
  readonly earlyRestart?: {
    /** `registers` with another number for the call that comes next. */
    withNumber(registers: Registers, number: bigint): Registers;
  };

  /** Address of the next instruction. */
  instructionPointer(registers: Registers): bigint;

  /**
   * A copy of `registers` in which the next instruction, at address `instruction`, is a system call
   * `number` with `args`, and in which the kernel sees no interrupted call to restart.
   */
  withSyscall(
    registers: Registers,
    instruction: bigint,
    number: number,
    args: readonly bigint[],
  ): Registers;

  /**
   * Registers with which a thread that was stopped inside a system call goes on as if it had not
   * been: `registers` itself where the kernel already restarts the call, a changed copy where it
   * would have returned EINTR although no signal was delivered. `blocked` is the call it was seen in last, which
   * processors with `earlyRestart` need.
   */
  withRestart(registers: Registers, blocked?: BlockedCall): Registers;
}
