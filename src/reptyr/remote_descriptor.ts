/** Descriptors that are in the target for the time of the move. */
import { RefusedError } from "../errors.ts";
import { F_DUPFD_CLOEXEC } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import type { RemoteSyscalls } from "../tracee/remote_syscalls.ts";

/**
 * The numbers below are not used for a while, be they free or not: a move may have to put the terminal there.
 */
export const FIRST_FREE = 3;

/** A further descriptor, close-on-exec and not below FIRST_FREE, for the same open file description: fcntl(2). */
export function duplicate(remote: RemoteSyscalls, fd: number): number {
  const result = remote.syscall("fcntl", fd, F_DUPFD_CLOEXEC, FIRST_FREE);
  if (result === BigInt(-ERRNO.EMFILE)) throw tooManyFiles(remote.tracee.pid);
  const copy = Number(remote.check(result, `fcntl(${fd}, F_DUPFD_CLOEXEC)`));
  remote.undoIfKilled("close", [copy]);
  return copy;
}

/** RLIMIT_NOFILE: setrlimit(2). */
export function tooManyFiles(pid: number): RefusedError {
  return new RefusedError(
    `Cannot move process ${pid}: it has as many open files as it may have, and the move needs a few more`,
    [`Raise its limit, for a moment at least: prlimit --pid ${pid} --nofile=NUMBER`],
  );
}
