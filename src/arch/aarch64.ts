/** aarch64: system calls, and the SVC instruction. */
import { layout } from "../struct.ts";
import { get, set, USER_REGS } from "./aarch64_registers.ts";
import { signalFrames } from "./aarch64_signal_frames.ts";
import type { AbiStructs, Architecture, BlockedCall, Registers } from "./arch.ts";
import { LP64_STRUCTS } from "./lp64.ts";

export { USER_REGS };

/** x0 to x5, in the order in which the kernel takes them: syscall(2), "Architecture calling conventions". */
const ARGUMENT_REGISTERS = [
  "regs[0]",
  "regs[1]",
  "regs[2]",
  "regs[3]",
  "regs[4]",
  "regs[5]",
] as const;

/** x8 holds the number of the call. */
const NUMBER_REGISTER = "regs[8]";

/**
 * BTYPE, bits 11:10: where branch targets are guarded, the first instruction after an indirect branch must be a
 * landing pad, which `svc` is not. SS, bit 21: software step.
 */
const PSTATE_CLEARED = 0xc00n | 0x20_0000n;

/** Every instruction has this many bytes. */
const INSTRUCTION_SIZE = 4n;

const EINTR = 4n;

/** As of `EINTR_AFTER_STOP` in `x86_64.ts`: calls that return EINTR after a stop though no handler ran. */
export const EINTR_AFTER_STOP = {
  io_getevents: 4,
  epoll_pwait: 22,
  read: 63,
  write: 64,
  readv: 65,
  writev: 66,
  sendfile: 71,
  splice: 76,
  rt_sigtimedwait: 137,
  semtimedop: 192,
  semop: 193,
  accept: 202,
  connect: 203,
  sendto: 206,
  recvfrom: 207,
  sendmsg: 211,
  recvmsg: 212,
  accept4: 242,
  recvmmsg: 243,
  sendmmsg: 269,
  preadv2: 286,
  pwritev2: 287,
  io_pgetevents: 292,
  io_uring_enter: 426,
  epoll_pwait2: 441,
} as const;

const EINTR_NUMBERS: ReadonlySet<bigint> = new Set(Object.values(EINTR_AFTER_STOP).map(BigInt));

const structs: AbiStructs = {
  ...LP64_STRUCTS,
  epollEvent: layout("struct epoll_event", 16, { events: [0, "u32"], data: [8, "u64"] }),
};

/**
 * Whether the thread with these registers has come out of `blocked` and not moved since: the kernel has changed
 * x0 alone.
 */
function hasLeft(blocked: BlockedCall, registers: Registers): boolean {
  return blocked.number === get(registers, NUMBER_REGISTER) &&
    blocked.instructionPointer === get(registers, "pc") &&
    blocked.stackPointer === get(registers, "sp") &&
    ARGUMENT_REGISTERS.every((name, index) =>
      index === 0 || blocked.args[index] === get(registers, name)
    );
}

export const aarch64: Architecture = {
  name: "aarch64",
  registerSetSize: USER_REGS.size,
  addressBits: 64,
  syscallInstruction: Uint8Array.of(0x01, 0x00, 0x00, 0xd4), // svc #0
  instructionAlignment: 4,
  sigsetSize: 8,
  earlyRestart: {
    withNumber(registers, number) {
      if (get(registers, NUMBER_REGISTER) === number) return registers;
      const changed = registers.slice();
      set(changed, NUMBER_REGISTER, number);
      return changed;
    },
  },
  syscallNumbers: {
    clock_nanosleep: 115,
    clone: 220,
    close: 57,
    close_range: 436,
    dup3: 24,
    epoll_ctl: 21,
    exit: 93,
    exit_group: 94,
    fcntl: 25,
    getpgid: 155,
    getpid: 172,
    getsid: 156,
    ioctl: 29,
    mmap: 222,
    munmap: 215,
    nanosleep: 101,
    prlimit64: 261,
    recvmsg: 212,
    restart_syscall: 128,
    rt_sigaction: 134,
    rt_sigreturn: 139,
    setpgid: 154,
    setsid: 157,
    socketpair: 199,
    wait4: 260,
  },
  auditArch: 0xc00000b7,
  watchedCalls: {
    clone: 220,
    clone3: 435,
    close: 57,
    close_range: 436,
    copy_file_range: 285,
    dup3: 24,
    io_uring_enter: 426,
    pread64: 67,
    preadv: 69,
    preadv2: 286,
    pwrite64: 68,
    pwritev: 70,
    pwritev2: 287,
    read: 63,
    readv: 65,
    recvfrom: 207,
    recvmmsg: 243,
    recvmsg: 212,
    sendfile: 71,
    sendmmsg: 269,
    sendmsg: 211,
    sendto: 206,
    splice: 76,
    tee: 77,
    unshare: 97,
    vmsplice: 75,
    write: 64,
    writev: 66,
  },
  structs,
  signalFrames,
  discardedByCalls: ["NT_ARM_SVE", "NT_ARM_SSVE"],

  instructionPointer: (registers) => get(registers, "pc"),

  withSyscall(registers, instruction, number, args) {
    const call = registers.slice();
    set(call, NUMBER_REGISTER, BigInt(number));
    set(call, "pc", instruction);
    set(call, "pstate", get(registers, "pstate") & ~PSTATE_CLEARED);
    ARGUMENT_REGISTERS.forEach((name, index) => set(call, name, args[index] ?? 0n));
    return call;
  },

  // x8 has the number, too, where a program would have put it.
  entered(registers) {
    const entered = registers.slice();
    set(entered, "pc", get(registers, "pc") + INSTRUCTION_SIZE);
    return entered;
  },

  hasNumberSet: true,

  withRestart(registers, blocked) {
    if (blocked === undefined || !EINTR_NUMBERS.has(blocked.number)) return registers;
    if (get(registers, "regs[0]") !== BigInt.asUintN(64, -EINTR)) return registers;
    if (!hasLeft(blocked, registers)) return registers;
    const restarted = registers.slice();
    set(restarted, "regs[0]", blocked.args[0] ?? 0n);
    set(restarted, "pc", get(registers, "pc") - INSTRUCTION_SIZE);
    return restarted;
  },

  eintrAfterStop: EINTR_AFTER_STOP,

  callOf: (registers, firstArgument = get(registers, "regs[0]")) => ({
    number: get(registers, NUMBER_REGISTER),
    args: ARGUMENT_REGISTERS.map((name, index) =>
      index === 0 ? firstArgument : get(registers, name)
    ),
    stackPointer: get(registers, "sp"),
    instructionPointer: get(registers, "pc"),
  }),

  withResult(registers, result) {
    const changed = registers.slice();
    set(changed, "regs[0]", result);
    return changed;
  },
};
