/**
 * Structures that this process exchanges with its own kernel: the C declaration, then the layout
 * of a 64-bit little-endian machine. Structures laid in a tracee's memory are its ABI's: `arch/`.
 */
import { layout } from "../struct.ts";

/** `struct pollfd { int fd; short events; short revents; }` — poll(2) */
export const pollfd = layout("struct pollfd", 8, {
  fd: [0, "i32"],
  events: [4, "i16"],
  revents: [6, "i16"],
});

/** `struct winsize { unsigned short ws_row, ws_col, ws_xpixel, ws_ypixel; }` — ioctl_tty(2) */
export const winsize = layout("struct winsize", 8, {
  ws_row: [0, "u16"],
  ws_col: [2, "u16"],
  ws_xpixel: [4, "u16"],
  ws_ypixel: [6, "u16"],
});

/**
 * `struct termios2 { tcflag_t c_iflag, c_oflag, c_cflag, c_lflag; cc_t c_line; cc_t c_cc[19];
 * speed_t c_ispeed, c_ospeed; }` — the kernel's own, <asm/termbits.h>; TCGETS2 in ioctl_tty(2).
 * `c_cc` is the first of `NCCS` bytes.
 */
export const termios2 = layout("struct termios2", 44, {
  c_iflag: [0, "u32"],
  c_oflag: [4, "u32"],
  c_cflag: [8, "u32"],
  c_lflag: [12, "u32"],
  c_line: [16, "u8"],
  c_cc: [17, "u8"],
  c_ispeed: [36, "u32"],
  c_ospeed: [40, "u32"],
});

/**
 * `struct statx { __u32 stx_mask, stx_blksize; __u64 stx_attributes; __u32 stx_nlink, stx_uid, stx_gid; __u16 stx_mode;
 * __u64 stx_ino, ...; __u32 stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor; ... }` — statx(2)
 */
export const statx = layout("struct statx", 256, {
  stx_mask: [0, "u32"],
  stx_nlink: [16, "u32"],
  stx_mode: [28, "u16"],
  stx_ino: [32, "u64"],
  stx_rdev_major: [128, "u32"],
  stx_rdev_minor: [132, "u32"],
  stx_dev_major: [136, "u32"],
  stx_dev_minor: [140, "u32"],
});

/** `struct iovec { void *iov_base; size_t iov_len; }` — process_vm_readv(2) */
export const iovec = layout("struct iovec", 16, {
  iov_base: [0, "u64"],
  iov_len: [8, "u64"],
});

/**
 * `struct msghdr { void *msg_name; socklen_t msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
 * void *msg_control; size_t msg_controllen; int msg_flags; }` — sendmsg(2)
 */
export const msghdr = layout("struct msghdr", 56, {
  msg_name: [0, "u64"],
  msg_namelen: [8, "u32"],
  msg_iov: [16, "u64"],
  msg_iovlen: [24, "u64"],
  msg_control: [32, "u64"],
  msg_controllen: [40, "u64"],
  msg_flags: [48, "i32"],
});

/** `struct sockaddr_un { sa_family_t sun_family; char sun_path[108]; }` — unix(7) */
export const sockaddr_un = layout("struct sockaddr_un", 110, {
  sun_family: [0, "u16"],
});

/** `struct sock_fprog { unsigned short len; struct sock_filter *filter; }` — <linux/filter.h> */
export const sock_fprog = layout("struct sock_fprog", 16, {
  len: [0, "u16"],
  filter: [8, "u64"],
});

/** `struct ptrace_peeksiginfo_args { __u64 off; __u32 flags; __s32 nr; }` — ptrace(2) */
export const ptracePeeksiginfoArgs = layout("struct ptrace_peeksiginfo_args", 16, {
  off: [0, "u64"],
  flags: [8, "u32"],
  nr: [12, "i32"],
});

/** `siginfo_t` — sigaction(2) */
export const siginfo = layout("siginfo_t", 128, {
  si_signo: [0, "i32"],
  si_code: [8, "i32"],
  si_pid: [16, "i32"],
});

/** `struct sock_filter { __u16 code; __u8 jt; __u8 jf; __u32 k; }` — <linux/filter.h> */
export const sock_filter = layout("struct sock_filter", 8, {
  code: [0, "u16"],
  k: [4, "u32"],
});

/** `struct cmsghdr { size_t cmsg_len; int cmsg_level; int cmsg_type; }`, data behind it — cmsg(3) */
export const cmsghdr = layout("struct cmsghdr", 16, {
  cmsg_len: [0, "u64"],
  cmsg_level: [8, "i32"],
  cmsg_type: [12, "i32"],
});

/**
 * `struct ptrace_rseq_configuration { __u64 rseq_abi_pointer; __u32 rseq_abi_size; __u32 signature;
 * __u32 flags; __u32 pad; }` — ptrace(2), PTRACE_GET_RSEQ_CONFIGURATION
 */
export const ptraceRseqConfiguration = layout("struct __ptrace_rseq_configuration", 24, {
  rseq_abi_pointer: [0, "u64"],
  rseq_abi_size: [8, "u32"],
  signature: [12, "u32"],
  flags: [16, "u32"],
});

/**
 * `struct ptrace_syscall_info { __u8 op; __u8 pad[3]; __u32 arch; __u64 instruction_pointer,
 * stack_pointer; union { ... struct { __s64 rval; __u8 is_error; } exit; }; }` — ptrace(2),
 * PTRACE_GET_SYSCALL_INFO. At entry the union holds `__u64 nr, args[6]`; `entry.args` is the first of them.
 */
export const ptraceSyscallInfo = layout("struct __ptrace_syscall_info", 88, {
  op: [0, "u8"],
  arch: [4, "u32"],
  "entry.nr": [24, "u64"],
  "entry.args": [32, "u64"],
  "exit.rval": [24, "i64"],
});

/**
 * `struct seccomp_data { int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6]; }` — seccomp(2)
 */
export const seccompData = layout("struct seccomp_data", 64, {
  nr: [0, "i32"],
  arch: [4, "u32"],
  instruction_pointer: [8, "u64"],
  args: [16, "u64"],
});

/** `struct sock_filter { __u16 code; __u8 jt, jf; __u32 k; }` — <linux/filter.h> */
export const sockFilter = layout("struct sock_filter", 8, {
  code: [0, "u16"],
  jt: [2, "u8"],
  jf: [3, "u8"],
  k: [4, "u32"],
});

/**
 * `struct pidfd_info { __u64 mask, cgroupid; __u32 pid, tgid, ppid, ruid, rgid, euid, egid, suid,
 * sgid, fsuid, fsgid; __s32 exit_code; }` — <linux/pidfd.h>, first published size, which later
 * kernels still take: PIDFD_GET_INFO carries the size in its number.
 */
export const pidfdInfo = layout("struct pidfd_info", 64, {
  mask: [0, "u64"],
  exit_code: [60, "i32"],
});

/**
 * `struct sigaction { void (*sa_handler)(int); sigset_t sa_mask; int sa_flags; void (*sa_restorer)(void); }`,
 * the C library's — sigaction(2)
 */
export const sigactionOfLibc = layout("struct sigaction", 152, {
  "__sigaction_handler.sa_handler": [0, "u64"],
  sa_flags: [136, "i32"],
});

/** `struct itimerval { struct timeval it_interval, it_value; }` — setitimer(2) */
export const itimerval = layout("struct itimerval", 32, {
  "it_interval.tv_usec": [8, "i64"],
  "it_value.tv_sec": [16, "i64"],
  "it_value.tv_usec": [24, "i64"],
});

/** `struct rlimit { rlim_t rlim_cur, rlim_max; }` — getrlimit(2) */
export const rlimit = layout("struct rlimit", 16, {
  rlim_cur: [0, "u64"],
  rlim_max: [8, "u64"],
});

/** `struct timeval { time_t tv_sec; suseconds_t tv_usec; }` — gettimeofday(2) */
export const timeval = layout("struct timeval", 16, { tv_sec: [0, "i64"], tv_usec: [8, "i64"] });

// What glibc keeps to itself: <spawn.h>, <signal.h>. Only the sizes are ours to know.
export const posixSpawnattr = layout("posix_spawnattr_t", 336, {});
export const posixSpawnFileActions = layout("posix_spawn_file_actions_t", 80, {});
export const sigset = layout("sigset_t", 128, {});
