/**
 * What the tracer must know of a processor: where registers stand in the NT_PRSTATUS set, how a
 * system call is made by hand, how an interrupted one is continued, and how C lays out the few
 * structures that injected calls need. Pure functions over bytes: every architecture is tested on
 * every host, and a new one is one new file beside this.
 */
import type { Layout, Scalar } from "../struct.ts";

/** Every system call that is ever injected. A name, so that no number stands outside `arch/`. */
export type SyscallName =
  | "clock_nanosleep"
  | "clone"
  | "close"
  | "close_range"
  | "dup3"
  | "epoll_ctl"
  | "exit"
  | "exit_group"
  | "fcntl"
  | "getpgid"
  | "getpid"
  | "getsid"
  | "ioctl"
  | "mmap"
  | "munmap"
  | "nanosleep"
  | "prlimit64"
  | "recvmsg"
  | "restart_syscall"
  | "rt_sigaction"
  | "rt_sigreturn"
  | "setpgid"
  | "setsid"
  | "socketpair"
  | "wait4";

/** Every system call that is ever watched: calls that move bytes, and calls after which a descriptor is another. */
export type WatchedCall =
  | "clone"
  | "clone3"
  | "close"
  | "close_range"
  | "copy_file_range"
  | "dup2"
  | "dup3"
  | "io_uring_enter"
  | "preadv"
  | "preadv2"
  | "pread64"
  | "pwrite64"
  | "pwritev"
  | "pwritev2"
  | "read"
  | "readv"
  | "recvfrom"
  | "recvmmsg"
  | "recvmmsg_time64"
  | "recvmsg"
  | "sendfile"
  | "sendfile64"
  | "sendmmsg"
  | "sendmsg"
  | "sendto"
  | "socketcall"
  | "splice"
  | "tee"
  | "unshare"
  | "vmsplice"
  | "write"
  | "writev";

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

/** A call that a thread is in, as proc_pid_syscall(5) shows it before the thread is asked to stop. */
export interface BlockedCall {
  readonly number: bigint;
  /** Six. */
  readonly args: readonly bigint[];
  readonly stackPointer: bigint;
  /** Of the instruction after the one that entered the kernel. */
  readonly instructionPointer: bigint;
}

/** Register sets besides NT_PRSTATUS, by their names in <elf.h>. */
export type RegisterSetName =
  | "NT_ARM_GCS"
  | "NT_ARM_SSVE"
  | "NT_ARM_SVE"
  | "NT_PRFPREG"
  | "NT_X86_XSTATE";

/** What a signal frame has of floating-point and vector registers, and where it lies. */
export interface ExtendedState {
  readonly address: bigint;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Signal frames with which a thread gives itself its registers back: the stack of sigreturn(2). Absent where
 * this executable does not know how to write one.
 */
export interface SignalFrames {
  /** The system call instruction, and one behind it that takes the next address from the stack. */
  readonly returningSyscall: Uint8Array;
  /** Code that calls rt_sigreturn(2), in every form that is met. */
  readonly sigreturns: readonly Uint8Array[];
  /** Bytes below the stack pointer that belong to the program. */
  readonly redZone: bigint;
  /** Alignment of the address of {@linkcode extendedState}. */
  readonly extendedStateAlignment: bigint;

  stackPointer(registers: Registers): bigint;

  /** A copy of `registers` that returns from a system call to code at `sigreturn` with the frame at `address`. */
  withStackPointer(registers: Registers, address: bigint, sigreturn: bigint): Registers;

  /** A copy of `registers` with which rt_sigreturn(2) itself, when it is called, finds the frame at `address`. */
  withFrameAt(registers: Registers, address: bigint): Registers;

  /**
   * What the kernel makes of `registers` when it lets the thread go on, for a way that its own restart of calls
   * does not go: an interrupted call is made again, from its start.
   */
  resumed(registers: Registers): Registers;

  /** `registers` at another instruction, as after the abort of a restartable sequence. */
  withInstructionPointer(registers: Registers, address: bigint): Registers;

  /**
   * The frame: after it, code at `sigreturn` sets `registers` and the mask of blocked signals. Without
   * `extendedState` the floating-point registers are cleared.
   */
  frame(
    registers: Registers,
    mask: bigint,
    sigreturn: bigint,
    extendedState?: ExtendedState,
  ): Uint8Array<ArrayBuffer>;

  /** The set that tells, by the lowest bit of its first word, that returns are guarded, as by a shadow stack. */
  readonly shadowStackSet?: RegisterSetName;

  /** Register sets that {@linkcode extendedState} takes, in this order. */
  readonly extendedStateSets: readonly RegisterSetName[];

  /**
   * Those sets, of which the processor may lack some, in the form that a signal frame has them in; `undefined` when a
   * frame cannot have them.
   */
  extendedState(
    images: readonly (Uint8Array<ArrayBuffer> | undefined)[],
  ): Uint8Array<ArrayBuffer> | undefined;
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
  /** AUDIT_ARCH_* of <linux/audit.h>, by which PTRACE_GET_SYSCALL_INFO tells through which entry a call came. */
  readonly auditArch: number;
  /** Those of {@linkcode WatchedCall} that this architecture has. */
  readonly watchedCalls: Readonly<Partial<Record<WatchedCall, number>>>;
  readonly structs: AbiStructs;
  /** `SIG_SETMASK`-style sets are 8 bytes on every Linux architecture that has 64 signals. */
  readonly sigsetSize: 8;
  /**
   * For processors whose kernel decides about an interrupted call before the stop, and shows only the outcome. A thread
   * whose call will be made again stands before its instruction, and gets the number of restart_syscall(2), where that is
   * needed, only when it runs on. After a failed call the first argument is gone.
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
   * `registers` of {@linkcode withSyscall} as they are when the thread has entered the kernel with them: in the
   * syscall-entry-stop. Where `hasNumberSet`, the number of the call is not among them.
   */
  entered(registers: Registers): Registers;

  /** Whether the number of the call that a thread enters has a register set of its own, NT_ARM_SYSTEM_CALL. */
  readonly hasNumberSet: boolean;

  /**
   * Registers with which a thread that was stopped inside a system call goes on as if it had not
   * been: `registers` itself where the kernel already restarts the call, a changed copy where it
   * would have returned EINTR although no signal was delivered. `blocked` is the call it was seen in last, which
   * processors with `earlyRestart` need.
   */
  withRestart(registers: Registers, blocked?: BlockedCall): Registers;

  /**
   * Whether the thread will make restart_syscall(2) in place of the call that it was stopped in, as far as a stop shows
   * it; and registers with which it makes that call again from its start, with all of its time.
   */
  readonly restartBlock?: {
    isPending(registers: Registers): boolean;
    withoutIt(registers: Registers): Registers;
  };

  /**
   * Calls that return EINTR after a stop though no handler ran, and have done nothing then: their numbers by their names
   * in <asm/unistd.h>.
   */
  readonly eintrAfterStop: Readonly<Record<string, number>>;

  /**
   * The call that a thread with `registers` is entering, or coming out of. With `earlyRestart` its result stands where
   * the first argument stood, which is known from the entry only.
   */
  callOf(registers: Registers, firstArgument?: bigint): BlockedCall;

  /** `registers` of a thread at a syscall-exit-stop, with another result of its call. */
  withResult(registers: Registers, result: bigint): Registers;

  /** Register sets that a system call clears, where the thread was not in one: vectors of aarch64's SVE and SME. */
  readonly discardedByCalls?: readonly RegisterSetName[];

  readonly signalFrames?: SignalFrames;
}
