/**
 * The C library's functions that Deno has no API for. Each parameter carries its C declaration, so
 * that the table reads like the SYNOPSIS sections of section 2 and 3 of the manual.
 *
 * One C function stands under several names where its argument has several types. `ptrace`,
 * `ioctl`, `fcntl` and `openat` are variadic in C; on Linux x86_64 and aarch64 a fixed
 * declaration passes its arguments in the same registers.
 */
import { PROCESS_VM_COPY, SIGACTION } from "./signatures.ts";

const SYMBOLS = {
  // Tracing: ptrace(2), waitpid(2), process_vm_readv(2)
  ptrace: {
    parameters: [
      "i32", // enum __ptrace_request op
      "i32", // pid_t pid
      "usize", // void *addr
      "usize", // void *data
    ],
    result: "i32", // long: 0, -1 or a small size for every request used here
  },
  ptraceBuffer: {
    name: "ptrace",
    parameters: [
      "i32", // enum __ptrace_request op
      "i32", // pid_t pid
      "usize", // void *addr
      "buffer", // void *data
    ],
    result: "i32",
  },
  waitpid: {
    parameters: [
      "i32", // pid_t pid
      "buffer", // int *wstatus
      "i32", // int options
    ],
    result: "i32", // pid_t
  },
  /** On a thread of its own, which may wait for the tracees of another: the event loop lives on meanwhile. */
  waitidAsync: {
    name: "waitid",
    parameters: [
      "i32", // idtype_t idtype
      "u32", // id_t id
      "buffer", // siginfo_t *infop
      "i32", // int options
    ],
    result: "i32",
    nonblocking: true,
  },
  process_vm_readv: PROCESS_VM_COPY,
  process_vm_writev: PROCESS_VM_COPY,

  // Descriptors: openat(2), close(2), read(2), write(2), fcntl(2), fchown(2), dup3(2), pipe2(2), poll(2)
  openat: {
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *pathname
      "i32", // int flags
    ],
    result: "i32",
  },
  openatMode: {
    name: "openat",
    parameters: [
      "i32", // int dirfd
      "buffer", // const char *pathname
      "i32", // int flags
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  mkfifo: {
    parameters: [
      "buffer", // const char *pathname
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  close: { parameters: ["i32" /* int fd */], result: "i32" },
  read: {
    parameters: [
      "i32", // int fd
      "buffer", // void *buf
      "usize", // size_t count
    ],
    result: "isize", // ssize_t
  },
  write: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *buf
      "usize", // size_t count
    ],
    result: "isize", // ssize_t
  },
  pread: {
    parameters: [
      "i32", // int fd
      "buffer", // void *buf
      "usize", // size_t count
      "i64", // off_t offset
    ],
    result: "isize", // ssize_t
  },
  lseek: {
    parameters: [
      "i32", // int fd
      "i64", // off_t offset
      "i32", // int whence
    ],
    result: "i64", // off_t
  },
  fcntl: {
    parameters: [
      "i32", // int fd
      "i32", // int op
      "usize", // arg
    ],
    result: "i32",
  },
  fchown: {
    parameters: [
      "i32", // int fd
      "u32", // uid_t owner
      "u32", // gid_t group
    ],
    result: "i32",
  },
  dup3: {
    parameters: [
      "i32", // int oldfd
      "i32", // int newfd
      "i32", // int flags
    ],
    result: "i32",
  },
  pipe2: {
    parameters: [
      "buffer", // int pipefd[2]
      "i32", // int flags
    ],
    result: "i32",
  },
  poll: {
    parameters: [
      "buffer", // struct pollfd *fds
      "u64", // nfds_t nfds
      "i32", // int timeout: milliseconds, -1 without end
    ],
    result: "i32",
  },
  /** On a thread of its own: the event loop lives on meanwhile. */
  pollAsync: {
    name: "poll",
    parameters: [
      "buffer", // struct pollfd *fds
      "u64", // nfds_t nfds
      "i32", // int timeout
    ],
    result: "i32",
    nonblocking: true,
  },
  ioctl: {
    parameters: [
      "i32", // int fd
      "u64", // unsigned long op
      "usize", // arg
    ],
    result: "i32",
  },
  ioctlBuffer: {
    name: "ioctl",
    parameters: [
      "i32", // int fd
      "u64", // unsigned long op
      "buffer", // void *arg
    ],
    result: "i32",
  },
  socket: {
    parameters: [
      "i32", // int domain
      "i32", // int type
      "i32", // int protocol
    ],
    result: "i32",
  },
  setsockopt: {
    parameters: [
      "i32", // int sockfd
      "i32", // int level
      "i32", // int optname
      "buffer", // const void *optval
      "u32", // socklen_t optlen
    ],
    result: "i32",
  },
  getsockopt: {
    parameters: [
      "i32", // int sockfd
      "i32", // int level
      "i32", // int optname
      "buffer", // void *optval
      "buffer", // socklen_t *optlen
    ],
    result: "i32",
  },
  bind: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const struct sockaddr *addr
      "u32", // socklen_t addrlen
    ],
    result: "i32",
  },
  getsockname: {
    parameters: [
      "i32", // int sockfd
      "buffer", // struct sockaddr *addr
      "buffer", // socklen_t *addrlen
    ],
    result: "i32",
  },
  connect: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const struct sockaddr *addr
      "u32", // socklen_t addrlen
    ],
    result: "i32",
  },
  sendmsg: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const struct msghdr *msg
      "i32", // int flags
    ],
    result: "isize", // ssize_t
  },
  memfd_create: {
    parameters: [
      "buffer", // const char *name
      "u32", // unsigned int flags
    ],
    result: "i32",
  },

  // Memory of our own: mmap(2), memcpy(3), mprotect(2)
  mmap: {
    parameters: [
      "usize", // void *addr
      "usize", // size_t length
      "i32", // int prot
      "i32", // int flags
      "i32", // int fd
      "i64", // off_t offset
    ],
    result: "usize", // void *
  },
  getpagesize: { parameters: [], result: "i32" },
  memcpy: {
    parameters: [
      "usize", // void *dest
      "buffer", // const void *src
      "usize", // size_t n
    ],
    result: "usize", // void *
  },
  mprotect: {
    parameters: [
      "usize", // void *addr
      "usize", // size_t len
      "i32", // int prot
    ],
    result: "i32",
  },

  // Processes: getpid(2), getpgrp(2), getuid(2), kill(2), sched_yield(2), usleep(3), posix_spawn(3)
  getpid: { parameters: [], result: "i32" },
  getpgrp: { parameters: [], result: "i32" },
  geteuid: { parameters: [], result: "u32" },
  kill: {
    parameters: [
      "i32", // pid_t pid
      "i32", // int sig
    ],
    result: "i32",
  },
  sigaction: SIGACTION,
  setitimer: {
    parameters: [
      "i32", // int which
      "buffer", // const struct itimerval *new_value
      "buffer", // struct itimerval *old_value, may be null
    ],
    result: "i32",
  },
  setpriority: {
    parameters: [
      "i32", // __priority_which_t which
      "u32", // id_t who
      "i32", // int prio
    ],
    result: "i32",
  },
  usleep: { parameters: ["u32" /* useconds_t usec */], result: "i32" },
  posix_spawnp: {
    parameters: [
      "buffer", // pid_t *pid
      "buffer", // const char *file
      "buffer", // const posix_spawn_file_actions_t *file_actions
      "buffer", // const posix_spawnattr_t *attrp
      "buffer", // char *const argv[]
      "buffer", // char *const envp[]
    ],
    result: "i32", // an error number
  },
  /** On a thread of its own, for a child that is paused before it runs the program. */
  posix_spawnpAsync: {
    name: "posix_spawnp",
    parameters: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  posix_spawnattr_init: { parameters: ["buffer" /* posix_spawnattr_t *attr */], result: "i32" },
  posix_spawnattr_destroy: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_setflags: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "i16", // short flags
    ],
    result: "i32",
  },
  posix_spawnattr_setsigdefault: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "buffer", // const sigset_t *sigdefault
    ],
    result: "i32",
  },
  posix_spawnattr_setsigmask: {
    parameters: [
      "buffer", // posix_spawnattr_t *attr
      "buffer", // const sigset_t *sigmask
    ],
    result: "i32",
  },
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_addopen: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fildes
      "buffer", // const char *path
      "i32", // int oflag
      "u32", // mode_t mode
    ],
    result: "i32",
  },
  posix_spawn_file_actions_addclose: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fildes
    ],
    result: "i32",
  },
  posix_spawn_file_actions_adddup2: {
    parameters: [
      "buffer", // posix_spawn_file_actions_t *file_actions
      "i32", // int fildes
      "i32", // int newfildes
    ],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>;

let library: Libc | undefined;

/**
 * The C library's functions, opened at the first call: `--help` and the unit tests need none.
 * Throws a plain `Error` on systems without glibc.
 */
export function libc(): Libc["symbols"] {
  library ??= openLibc();
  return library.symbols;
}

function openLibc(): Libc {
  try {
    return Deno.dlopen("libc.so.6", SYMBOLS);
  } catch (cause) {
    throw new Error("Cannot open libc.so.6: this program needs a Linux system with glibc", {
      cause,
    });
  }
}
