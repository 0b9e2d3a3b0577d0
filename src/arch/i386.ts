/** i386, as a 64-bit kernel runs it beside x86_64: the 32-bit register set and INT 0x80. */
import { layout } from "../struct.ts";
import type { AbiStructs, Architecture, SyscallName } from "./arch.ts";
import { get, getSigned, type RegisterName, set, USER_REGS } from "./i386_registers.ts";
import { signalFrames } from "./i386_signal_frames.ts";
import { type CallRegisters, x86Calls } from "./x86.ts";

export { USER_REGS };

const CALL_REGISTERS: CallRegisters<RegisterName> = {
  number: "orig_eax",
  result: "eax",
  instruction: "eip",
  stack: "esp",
  flags: "eflags",
  args: ["ebx", "ecx", "edx", "esi", "edi", "ebp"],
};

/**
 * Calls whose number stands under a second name: mmap2(2) counts the offset in pages, and of ours it is
 * always 0; fcntl64 is the fcntl(2) that C programs use.
 */
export const SECOND_NAMES: Readonly<Partial<Record<SyscallName, string>>> = {
  fcntl: "fcntl64",
  mmap: "mmap2",
};

/**
 * The calls of x86_64's list of this name, and those that only i386 has for the same: with 64-bit times,
 * and through the multiplexers. Of what goes through ipc(2) only semop and semtimedop return EINTR,
 * of what goes through socketcall(2) only accept and what stands here by itself too. The arguments of
 * both are in memory, which an interrupted call has not changed.
 */
export const EINTR_AFTER_STOP = {
  read: 3,
  write: 4,
  socketcall: 102,
  ipc: 117,
  readv: 145,
  writev: 146,
  rt_sigtimedwait: 177,
  sendfile: 187,
  sendfile64: 239,
  io_getevents: 247,
  epoll_wait: 256,
  splice: 313,
  epoll_pwait: 319,
  recvmmsg: 337,
  sendmmsg: 345,
  connect: 362,
  accept4: 364,
  sendto: 369,
  sendmsg: 370,
  recvfrom: 371,
  recvmsg: 372,
  preadv2: 378,
  pwritev2: 379,
  io_pgetevents: 385,
  io_pgetevents_time64: 416,
  recvmmsg_time64: 417,
  semtimedop_time64: 420,
  rt_sigtimedwait_time64: 421,
  io_uring_enter: 426,
  epoll_pwait2: 441,
} as const;

const structs: AbiStructs = {
  iovec: layout("struct iovec", 8, { iov_base: [0, "u32"], iov_len: [4, "u32"] }),
  msghdr: layout("struct msghdr", 28, {
    msg_iov: [8, "u32"],
    msg_iovlen: [12, "u32"],
    msg_control: [16, "u32"],
    msg_controllen: [20, "u32"],
    msg_flags: [24, "i32"],
  }),
  cmsghdr: layout("struct cmsghdr", 12, {
    cmsg_len: [0, "u32"],
    cmsg_level: [4, "i32"],
    cmsg_type: [8, "i32"],
  }),
  sigaction: layout("struct kernel_sigaction", 20, { sa_handler: [0, "u32"] }),
  epollEvent: layout("struct epoll_event", 12, { events: [0, "u32"], data: [4, "u64"] }),
};

export const i386: Architecture = {
  name: "i386",
  registerSetSize: USER_REGS.size,
  addressBits: 32,
  // Not SYSENTER, nor SYSCALL where the processor has that one: the kernel returns from them to the
  // INT 0x80 in the vdso, whatever the address of the call. It also restarts calls there.
  syscallInstruction: Uint8Array.of(0xcd, 0x80),
  instructionAlignment: 1,
  sigsetSize: 8,
  syscallNumbers: {
    clock_nanosleep: 267,
    clone: 120,
    close: 6,
    close_range: 436,
    dup3: 330,
    epoll_ctl: 255,
    exit: 1,
    exit_group: 252,
    fcntl: 221,
    getpgid: 132,
    getpid: 20,
    getsid: 147,
    ioctl: 54,
    mmap: 192,
    munmap: 91,
    nanosleep: 162,
    prlimit64: 340,
    recvmsg: 372,
    restart_syscall: 0,
    rt_sigaction: 174,
    rt_sigreturn: 173,
    setpgid: 57,
    setsid: 66,
    socketpair: 360,
    wait4: 114,
  },
  auditArch: 0x40000003,
  watchedCalls: {
    clone: 120,
    clone3: 435,
    close: 6,
    close_range: 436,
    copy_file_range: 377,
    dup2: 63,
    dup3: 330,
    io_uring_enter: 426,
    pread64: 180,
    preadv: 333,
    preadv2: 378,
    pwrite64: 181,
    pwritev: 334,
    pwritev2: 379,
    read: 3,
    readv: 145,
    recvfrom: 371,
    recvmmsg: 337,
    recvmmsg_time64: 417,
    recvmsg: 372,
    sendfile: 187,
    sendfile64: 239,
    sendmmsg: 345,
    sendmsg: 370,
    sendto: 369,
    socketcall: 102,
    splice: 313,
    tee: 315,
    unshare: 310,
    vmsplice: 316,
    write: 4,
    writev: 146,
  },
  structs,

  ...x86Calls({ get, getSigned, set }, CALL_REGISTERS, EINTR_AFTER_STOP),
  signalFrames,
};
