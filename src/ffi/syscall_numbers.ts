/** Numbers of the calls that this program makes itself, by the processor it is compiled for: <asm/unistd.h>. */

/** Since Linux 5.1 a new call has one number everywhere. */
const EVERYWHERE = {
  pidfd_send_signal: 424,
  pidfd_open: 434,
  pidfd_getfd: 438,
} as const;

export const SYSCALL_NUMBERS = {
  x86_64: {
    ...EVERYWHERE,
    read: 0,
    write: 1,
    lseek: 8,
    ioctl: 16,
    pread64: 17,
    socket: 41,
    connect: 42,
    sendmsg: 46,
    bind: 49,
    getsockname: 51,
    setsockopt: 54,
    getsockopt: 55,
    wait4: 61,
    kill: 62,
    fcntl: 72,
    fchdir: 81,
    fchown: 93,
    ptrace: 101,
    openat: 257,
    dup3: 292,
    pipe2: 293,
    prlimit64: 302,
    process_vm_readv: 310,
    process_vm_writev: 311,
    kcmp: 312,
    memfd_create: 319,
    bpf: 321,
    statx: 332,
  },
  aarch64: {
    ...EVERYWHERE,
    dup3: 24,
    fcntl: 25,
    ioctl: 29,
    fchdir: 50,
    fchown: 55,
    openat: 56,
    pipe2: 59,
    lseek: 62,
    pread64: 67,
    read: 63,
    write: 64,
    ptrace: 117,
    kill: 129,
    socket: 198,
    bind: 200,
    connect: 203,
    getsockname: 204,
    setsockopt: 208,
    getsockopt: 209,
    sendmsg: 211,
    wait4: 260,
    prlimit64: 261,
    process_vm_readv: 270,
    process_vm_writev: 271,
    kcmp: 272,
    memfd_create: 279,
    bpf: 280,
    statx: 291,
  },
} as const;

/** A call that both processors have under this name. */
export type OwnCall = keyof typeof SYSCALL_NUMBERS["aarch64"];

/** Those of the machine that this runs on. */
export const OWN_NUMBERS: Readonly<Record<OwnCall, number>> = SYSCALL_NUMBERS[Deno.build.arch];
