/**
 * Job control's stop, for a tracee that must not see it. Its parent, a shell, sees it: the kernel reports a group-stop to
 * the parent also when another process traces the child.
 */
import { PTRACE_CONT } from "../ffi/constants.ts";
import { interrupt, resume } from "./ptrace.ts";
import { RemoteSyscalls } from "./remote_syscalls.ts";
import type { Tracee } from "./tracee.ts";
import { Deadline, untilInterrupted, waitOut } from "./wait.ts";

/**
 * Bring all threads, which are in interrupt-stops, into a group-stop by SIGSTOP; `false` when a SIGCONT from
 * elsewhere put an end to it meanwhile. No thread runs an instruction of the program either way.
 */
export function enterGroupStop(tracee: Tracee): boolean {
  if (!takeStop(tracee)) return false;
  return tracee.tids.every((tid) => tid === tracee.mainTid || joinStop(tracee, tid));
}

function takeStop(tracee: Tracee): boolean {
  using remote = RemoteSyscalls.begin(tracee);
  return remote.takeStop();
}

/** get_signal() looks at a pending group-stop before it looks at an interrupt: so the interrupt comes only without. */
function joinStop(tracee: Tracee, tid: number): boolean {
  interrupt(tid);
  resume(tid, PTRACE_CONT);
  tracee.noteRunning(tid);
  const status = waitOut(
    untilInterrupted(tracee.pid, tid, new Deadline(tracee.timeoutSeconds)),
  );
  tracee.noteStopped(tid);
  return status?.kind === "group-stop";
}
