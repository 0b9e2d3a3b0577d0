/** What is known of a stopped process of the job, and the descriptor that stands for it. */
import { type OurFd, ourFd } from "../../../brands.ts";
import { RefusedError, TraceeDiedError } from "../../../errors.ts";
import { pidfdOpen, pidfdOpenThread } from "../../../ffi/process.ts";
import { orThrow } from "../../../ffi/raw.ts";
import { type Descriptor, readFds } from "../../../proc/fds.ts";
import { readStat, type Stat } from "../../../proc/stat.ts";
import { readStatus, type Status } from "../../../proc/status.ts";
import type { Tracee } from "../../../tracee/tracee.ts";

export interface MemberFacts {
  readonly stat: Stat;
  readonly status: Status;
  readonly fds: readonly Descriptor[];
}

/** Throws TraceeDiedError. */
export function readFacts({ pid, mainTid }: Tracee): MemberFacts {
  const stat = readStat(pid);
  const status = readStatus(pid, mainTid);
  const fds = readFds(pid, mainTid);
  if (stat === undefined || status === undefined || fds === undefined) {
    throw new TraceeDiedError(pid);
  }
  return { stat, status, fds };
}

/** The leader's pidfd leads to no descriptors once the leader has exited: then that of another thread. */
export function openPidfd(pid: number, tid: number): OurFd {
  if (tid === pid) return ourFd(orThrow(pidfdOpen(pid), `pidfd_open(${pid})`));
  const pidfd = pidfdOpenThread(tid);
  if (pidfd >= 0) return ourFd(pidfd);
  throw new RefusedError(`Cannot move process ${pid}: its first thread has exited`, [
    "For such a process pidfd_open(PIDFD_THREAD) is needed, which Linux has since version 6.9",
  ]);
}
