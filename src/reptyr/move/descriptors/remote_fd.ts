/** Descriptors that are in the target for the time of the move. */
import { type RemoteFd, remoteFd, type RemoteFdArgument } from "../../../brands.ts";
import { RefusedError } from "../../../errors.ts";
import { F_DUPFD_CLOEXEC } from "../../../ffi/constants.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import { readOpenFilesLimit } from "../../../proc/limits.ts";
import { isError, type RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import type { Steps } from "../../../tracee/steps.ts";

/**
 * The numbers below are not used for a while, be they free or not: a move may have to put the terminal there.
 */
export const FIRST_FREE = 3;

/** A further descriptor, close-on-exec and not below FIRST_FREE, for the same open file description: fcntl(2). */
export function* duplicate(remote: RemoteSyscalls, fd: RemoteFdArgument): Steps<RemoteFd> {
  const result = yield* remote.call("fcntl", fd, F_DUPFD_CLOEXEC, FIRST_FREE);
  if (result === BigInt(-ERRNO.EMFILE)) throw tooManyFiles(remote.tracee.pid);
  const copy = remoteFd(remote.check(result, `fcntl(${fd}, F_DUPFD_CLOEXEC)`));
  try {
    remote.pushUndoFrame("close", [copy]);
  } catch (error) {
    yield* remote.call("close", copy);
    throw error;
  }
  return copy;
}

/** Close `fds`, all of which are ours; those with numbers in a row by one call, where the kernel has close_range(2). */
export function* closeAll(
  remote: RemoteSyscalls,
  fds: readonly RemoteFdArgument[],
): Steps<void> {
  for (const run of inARow(fds)) {
    const [first, last] = [run[0], run.at(-1)];
    if (first !== undefined && last !== undefined && run.length > 1) {
      if (!isError(yield* remote.call("close_range", first, last, 0))) continue;
    }
    for (const fd of run) yield* remote.call("close", fd);
  }
}

/** Ascending, in as few runs as can be. */
function inARow(fds: readonly RemoteFdArgument[]): RemoteFdArgument[][] {
  const runs: RemoteFdArgument[][] = [];
  for (const fd of fds.toSorted((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run?.at(-1) === fd - 1) run.push(fd);
    else runs.push([fd]);
  }
  return runs;
}

/**
 * `missing`: how many descriptors; unknown for a process that opens files while it is being moved, as one can that shares
 * its descriptor table.
 */
export function tooManyFiles(pid: number, missing?: number): RefusedError {
  const limit = readOpenFilesLimit(pid, pid)?.soft;
  const told = limit === undefined ? "" : ` (${limit})`;
  const needed = missing === undefined ? "more descriptors" : moreDescriptors(missing);
  return new RefusedError(
    `Cannot move process ${pid}: it has reached RLIMIT_NOFILE${told}; moving needs ${needed}`,
    [`Raise its limit, for a moment at least: prlimit --pid ${pid} --nofile=NUMBER`],
  );
}

export function moreDescriptors(count: number): string {
  return count === 1 ? "1 more descriptor" : `${count} more descriptors`;
}
