/**
 * A child of the target that holds a process group open for a moment and never runs. Needed only
 * where the target's session has no other group that it could join on its way out of its own.
 */
import { StopTimeoutError } from "../../../errors.ts";
import {
  __WALL,
  CLONE_FILES,
  CLONE_FS,
  CLONE_VM,
  PTRACE_O_TRACECLONE,
  WNOHANG,
} from "../../../ffi/constants.ts";
import { verbose } from "../../../log.ts";
import { setOptions } from "../../../tracee/ptrace.ts";
import type { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { Deadline, nextStatus, waitOut } from "../../../tracee/wait.ts";
import type { WaitStatus } from "../../../tracee/wait_status.ts";
import { endTracedChild } from "../../gate/gate.ts";

/**
 * Run `action` with the number that the child has in the target's PID namespace.
 *
 * The child shares the target's memory instead of copying its page tables. Its exit signal is 0: the
 * target gets no SIGCHLD, and its own waits do not see the child, which only `__WALL` reaps. Being
 * traced from birth it is stopped before its first instruction. If this program is killed meanwhile, it ends.
 */
export function withPgrpHolder(remote: RemoteSyscalls, action: (child: bigint) => void): void {
  const { mainTid } = remote.tracee;
  const options = remote.tracee.mainOptions;
  setOptions(mainTid, options | PTRACE_O_TRACECLONE);
  let child: bigint;
  try {
    const stack = remote.stackOfChild;
    child = remote.syscallOrThrow("clone", CLONE_VM | CLONE_FS | CLONE_FILES, stack, 0, 0, 0);
  } finally {
    setOptions(mainTid, options);
  }
  const pid = remote.eventMessage;
  try {
    remote.pushUndoFrame("wait4", [child, 0, __WALL, 0]);
    action(child);
  } finally {
    endTracedChild(pid);
    awaitEnd(pid);
    remote.syscallOrThrow("wait4", child, 0, __WALL | WNOHANG, 0);
  }
}

/** SIGKILL takes effect at once, but not in a cgroup of version 1 that is frozen. */
const END_SECONDS = 1;

/** The child is a process of its own, not one of the target's threads. */
function awaitEnd(pid: number): void {
  const deadline = new Deadline(END_SECONDS);
  try {
    while (!hasEnded(waitOut(nextStatus(pid, pid, deadline))));
  } catch (error) {
    if (!(error instanceof StopTimeoutError)) throw error;
    verbose(error.message);
  }
}

function hasEnded({ kind }: WaitStatus): boolean {
  return kind === "signaled" || kind === "exited";
}
