/**
 * Room for the descriptors of a move in a process that has as many as it may: RLIMIT_NOFILE, prlimit(2). It is raised for
 * as long as the remote scope is open, and has its old value back with them, also if this program is killed.
 */
import { RefusedError } from "../../../errors.ts";
import { RLIMIT_NOFILE } from "../../../ffi/constants.ts";
import { setOpenFilesLimit } from "../../../ffi/process.ts";
import { rlimit } from "../../../ffi/structs.ts";
import type { OpenFilesLimit } from "../../../proc/limits.ts";
import { Struct } from "../../../struct.ts";
import { DATA, type RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { retrySyscallSteps } from "../../../tracee/retry_syscall.ts";
import type { Steps } from "../../../tracee/steps.ts";
import { moreDescriptors, tooManyFiles } from "./remote_fd.ts";

/** The kernel has one layout of it for all processes: struct rlimit64. */
function bytesOf({ soft, hard }: OpenFilesLimit): Uint8Array<ArrayBuffer> {
  return new Struct(rlimit).set("rlim_cur", toKernel(soft)).set("rlim_max", toKernel(hard)).bytes;
}

function toKernel(limit: number): bigint {
  return limit === Infinity ? 0xffff_ffff_ffff_ffffn : BigInt(limit);
}

export class FileRoom {
  /** What has been done with more room can be undone with more room only. */
  #wasRaised = false;

  /** `needed`: the soft limit for the move. */
  constructor(readonly before: OpenFilesLimit, readonly needed: number) {}

  /** Throws RefusedError where the limit cannot be raised so far; it is what it was then. */
  *raise(remote: RemoteSyscalls): Steps<void> {
    const { pid } = remote.tracee;
    const { soft, hard } = this.before;
    const scratch = yield* remote.mapScratch();
    const undo = remote.pushUndoFrame("prlimit64", [0, RLIMIT_NOFILE, DATA, 0], {
      data: bytesOf(this.before),
      always: true,
    });
    // Without a sigframe stack, or where a seccomp filter forbids the call, nobody would put the limit back.
    if (undo === undefined && !this.#wasRaised) throw tooManyFiles(pid, this.needed - soft);
    const within = Math.min(Math.max(this.needed, soft), hard);
    remote.write(bytesOf({ soft: within, hard }));
    yield* remote.callOrThrow("prlimit64", 0, RLIMIT_NOFILE, scratch, 0);
    this.#wasRaised = true;
    if (within === this.needed) return;
    // Only we may raise a hard limit, and only as root. From the call above on the process puts it back.
    if (setOpenFilesLimit(pid, bytesOf({ soft: this.needed, hard: this.needed })) >= 0) return;
    yield* this.lower(remote);
    throw beyondHardLimit(pid, hard, this.needed - hard);
  }

  /** The limit is what it was before. */
  *lower(remote: RemoteSyscalls): Steps<void> {
    const { before } = this;
    yield* retrySyscallSteps(function* () {
      const address = remote.write(bytesOf(before));
      yield* remote.callOrThrow("prlimit64", 0, RLIMIT_NOFILE, address, 0);
    });
  }
}

function beyondHardLimit(pid: number, hard: number, missing: number): RefusedError {
  return new RefusedError(
    `Cannot move process ${pid}: it has reached RLIMIT_NOFILE (${hard}, the hard limit); ` +
      `moving needs ${moreDescriptors(missing)}`,
    [
      "For the moment of the move root raises it, who needs CAP_SYS_RESOURCE for that, " +
      "up to /proc/sys/fs/nr_open",
    ],
  );
}
