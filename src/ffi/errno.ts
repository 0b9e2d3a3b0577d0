/**
 * Error numbers of Linux (`asm-generic/errno-base.h`, `errno.h`): the same on x86 and arm.
 * Names as in errno(3), reasons in the kernel's words, lower case, for use inside a sentence.
 */
import type { KernelReason } from "../errors.ts";

const REASONS = {
  EPERM: [1, "operation not permitted"],
  ENOENT: [2, "no such file or directory"],
  ESRCH: [3, "no such process"],
  EINTR: [4, "interrupted system call"],
  EIO: [5, "input/output error"],
  ENXIO: [6, "no such device or address"],
  E2BIG: [7, "argument list too long"],
  ENOEXEC: [8, "exec format error"],
  EBADF: [9, "bad file descriptor"],
  ECHILD: [10, "no child processes"],
  EAGAIN: [11, "resource temporarily unavailable"],
  ENOMEM: [12, "cannot allocate memory"],
  EACCES: [13, "permission denied"],
  EFAULT: [14, "bad address"],
  ENOTBLK: [15, "block device required"],
  EBUSY: [16, "device or resource busy"],
  EEXIST: [17, "file exists"],
  EXDEV: [18, "invalid cross-device link"],
  ENODEV: [19, "no such device"],
  ENOTDIR: [20, "not a directory"],
  EISDIR: [21, "is a directory"],
  EINVAL: [22, "invalid argument"],
  ENFILE: [23, "too many open files in the system"],
  EMFILE: [24, "too many open files"],
  ENOTTY: [25, "not a terminal"],
  ETXTBSY: [26, "text file busy"],
  EFBIG: [27, "file too large"],
  ENOSPC: [28, "no space left on device"],
  ESPIPE: [29, "illegal seek"],
  EROFS: [30, "read-only file system"],
  EMLINK: [31, "too many links"],
  EPIPE: [32, "broken pipe"],
  EDOM: [33, "argument out of domain"],
  ERANGE: [34, "result out of range"],
  EDEADLK: [35, "resource deadlock avoided"],
  ENAMETOOLONG: [36, "file name too long"],
  ENOSYS: [38, "function not implemented"],
  ELOOP: [40, "too many levels of symbolic links"],
  EOVERFLOW: [75, "value too large for data type"],
  EUSERS: [87, "too many users"],
  ENOTSOCK: [88, "socket operation on non-socket"],
  EMSGSIZE: [90, "message too long"],
  EOPNOTSUPP: [95, "operation not supported"],
  ENOBUFS: [105, "no buffer space available"],
  ETIMEDOUT: [110, "connection timed out"],
  ETOOMANYREFS: [109, "too many references"],
  ESTALE: [116, "stale file handle"],
  EDQUOT: [122, "disk quota exceeded"],
} as const satisfies Record<string, readonly [number, string]>;

/** The names of {@linkcode REASONS}. */
export type ErrnoName = keyof typeof REASONS;

/** Numbers by name: `ERRNO.EPERM === 1`. */
export const ERRNO = Object.fromEntries(
  Object.entries(REASONS).map(([name, [number]]) => [name, number]),
) as Readonly<Record<ErrnoName, number>>;

const BY_NUMBER = new Map<number, KernelReason>(
  Object.entries(REASONS).map((
    [code, [errno, reason]],
  ) => [errno, { errno, code, reason }]),
);

/** Name and reason of an error number; one that is not in the table is named `errno N`. */
export function describeErrno(errno: number): KernelReason {
  return BY_NUMBER.get(errno) ?? { errno, code: `errno ${errno}`, reason: "unknown error" };
}
