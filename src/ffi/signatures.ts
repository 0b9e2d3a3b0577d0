/** C functions that several tables of symbols hold, or that have one signature. */

/** sigaction(2) */
export const SIGACTION = {
  parameters: [
    "i32", // int signum
    "buffer", // const struct sigaction *act, may be null
    "buffer", // struct sigaction *oldact, may be null
  ],
  result: "i32",
} as const satisfies Deno.ForeignFunction;

/** process_vm_readv(2) and process_vm_writev(2) */
export const PROCESS_VM_COPY = {
  parameters: [
    "i32", // pid_t pid
    "buffer", // const struct iovec *local_iov
    "usize", // unsigned long liovcnt
    "buffer", // const struct iovec *remote_iov
    "usize", // unsigned long riovcnt
    "usize", // unsigned long flags
  ],
  result: "isize", // ssize_t
} as const satisfies Deno.ForeignFunction;
