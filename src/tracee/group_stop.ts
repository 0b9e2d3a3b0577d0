/**
 * Job control's stop and its end, for a tracee that must not see either. The parent, a shell, does:
 * the kernel tells it of group-stops also when another process traces its child.
 */
import { TraceeDiedError } from "../errors.ts";
import { PTRACE_CONT, SIGSTOP } from "../ffi/constants.ts";
import { kill } from "../ffi/process.ts";
import { orThrow } from "../ffi/raw.ts";
import { getSignalMask, resume, setSignalMask } from "./ptrace.ts";
import { ALL_SIGNALS } from "./remote_syscalls.ts";
import { statusBefore, type Tracee } from "./tracee.ts";

/**
 * Bring all threads, which are in interrupt-stops, into a group-stop by SIGSTOP. None of them leaves
 * the kernel meanwhile: a resumed thread takes the signal, or joins the stop, in get_signal().
 * Other signals are blocked on the thread that takes it, so that none is taken instead.
 */
export function enterGroupStop(tracee: Tracee): void {
  const main = tracee.mainTid;
  const mask = getSignalMask(main);
  setSignalMask(main, ALL_SIGNALS);
  orThrow(kill(tracee.pid, SIGSTOP), `kill(${tracee.pid}, SIGSTOP)`);
  runIntoGroupStop(tracee, main);
  setSignalMask(main, mask);
  for (const tid of tracee.tids) {
    if (tid !== main) runIntoGroupStop(tracee, tid);
  }
}

function runIntoGroupStop(tracee: Tracee, tid: number): void {
  let signal = 0;
  for (;;) {
    resume(tid, PTRACE_CONT, signal);
    const status = statusBefore(tracee.pid, tid);
    if (status.kind === "group-stop") return;
    if (status.kind === "exited" || status.kind === "signaled") {
      throw new TraceeDiedError(tracee.pid);
    }
    signal = status.kind === "signal-delivery-stop" ? status.signal : 0;
  }
}
