/** x86_64: the 64-bit register set of <sys/user.h> and the SYSCALL instruction. */
import { layout } from "../struct.ts";
import type { AbiStructs, Architecture } from "./arch.ts";
import { LP64_STRUCTS } from "./lp64.ts";
import { type CallRegisters, x86Calls } from "./x86.ts";
import { signalFrames } from "./x86_64_signal_frames.ts";
import { get, getSigned, type RegisterName, set, USER_REGS } from "./x86_64_registers.ts";

export { USER_REGS } from "./x86_64_registers.ts";

const CALL_REGISTERS: CallRegisters<RegisterName> = {
  number: "orig_rax",
  result: "rax",
  instruction: "rip",
  stack: "rsp",
  flags: "eflags",
  args: ["rdi", "rsi", "rdx", "r10", "r8", "r9"],
};

/** x32 programs set this bit in every call number: <asm/unistd.h>. */
const __X32_SYSCALL_BIT = 0x40000000n;

/**
 * Calls that return EINTR after a stop although no handler ran (signal(7), "Interruption of system
 * calls and library functions by stop signals"; ptrace(2), BUGS), and that have done nothing when
 * they do, so that they may be made again: epoll_wait and its kin, semop, sigtimedwait, io_uring,
 * and transfers on sockets with a timeout.
 */
export const EINTR_AFTER_STOP = {
  read: 0,
  write: 1,
  readv: 19,
  writev: 20,
  sendfile: 40,
  connect: 42,
  accept: 43,
  sendto: 44,
  recvfrom: 45,
  sendmsg: 46,
  recvmsg: 47,
  semop: 65,
  rt_sigtimedwait: 128,
  io_getevents: 208,
  semtimedop: 220,
  epoll_wait: 232,
  splice: 275,
  epoll_pwait: 281,
  accept4: 288,
  recvmmsg: 299,
  sendmmsg: 307,
  preadv2: 327,
  pwritev2: 328,
  io_pgetevents: 333,
  io_uring_enter: 426,
  epoll_pwait2: 441,
} as const;

const structs: AbiStructs = {
  ...LP64_STRUCTS,
  // Packed on x86 only: epoll_ctl(2) in <sys/epoll.h>
  epollEvent: layout("struct epoll_event", 12, { events: [0, "u32"], data: [4, "u64"] }),
};

export const x86_64: Architecture = {
  name: "x86_64",
  registerSetSize: USER_REGS.size,
  addressBits: 64,
  syscallInstruction: Uint8Array.of(0x0f, 0x05),
  instructionAlignment: 1,
  sigsetSize: 8,
  syscallNumbers: {
    clock_nanosleep: 230,
    clone: 56,
    close: 3,
    close_range: 436,
    dup3: 292,
    epoll_ctl: 233,
    exit: 60,
    exit_group: 231,
    fcntl: 72,
    getpgid: 121,
    getpid: 39,
    getsid: 124,
    ioctl: 16,
    mmap: 9,
    munmap: 11,
    nanosleep: 35,
    prlimit64: 302,
    recvmsg: 47,
    restart_syscall: 219,
    rt_sigaction: 13,
    rt_sigreturn: 15,
    setpgid: 109,
    setsid: 112,
    socketpair: 53,
    wait4: 61,
  },
  auditArch: 0xc000003e,
  watchedCalls: {
    clone: 56,
    clone3: 435,
    close: 3,
    close_range: 436,
    copy_file_range: 326,
    dup2: 33,
    dup3: 292,
    io_uring_enter: 426,
    pread64: 17,
    preadv: 295,
    preadv2: 327,
    pwrite64: 18,
    pwritev: 296,
    pwritev2: 328,
    read: 0,
    readv: 19,
    recvfrom: 45,
    recvmmsg: 299,
    recvmsg: 47,
    sendfile: 40,
    sendmmsg: 307,
    sendmsg: 46,
    sendto: 44,
    splice: 275,
    tee: 276,
    unshare: 272,
    vmsplice: 278,
    write: 1,
    writev: 20,
  },
  structs,

  ...x86Calls({ get, getSigned, set }, CALL_REGISTERS, EINTR_AFTER_STOP, __X32_SYSCALL_BIT),
  signalFrames,
};
