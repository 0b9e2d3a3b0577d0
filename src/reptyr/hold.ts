/**
 * A stop that the old shell does not hear of.
 *
 * A shell that ends takes the jobs with it that it knows to be stopped: bash sends them SIGTERM and SIGCONT, others
 * SIGHUP and SIGCONT. It goes by the process group's number, which is the target's PID, before the move and after. So
 * while ^Z holds the job in the new shell, children of the old one are not in a group-stop, which the kernel tells a
 * parent of; they are in a ptrace-stop of ours, which lasts while we are stopped ourselves. If we are killed meanwhile
 * the kernel lets them go.
 */
import { RefusedError, StopTimeoutError, SyscallError, TraceeDiedError } from "../errors.ts";
import { SIGCONT } from "../ffi/constants.ts";
import { close } from "../ffi/descriptor.ts";
import { pidfdOpen, pidfdSendSignal, usleep } from "../ffi/process.ts";
import { verbose } from "../log.ts";
import { readable } from "../proc/gone.ts";
import { isLive, livingThread, readStat } from "../proc/stat.ts";
import { readStatus } from "../proc/status.ts";
import { Tracee } from "../tracee/tracee.ts";
import { Deadline } from "../tracee/wait.ts";
import type { ProcessName } from "./job_record.ts";
import type { Authority } from "./record_holder.ts";
import { isSuspendedReptyr } from "./suspended.ts";

/** How long each may take to stop. One that does not is left to SIGSTOP. */
const HOLD_SECONDS = 0.5;

/**
 * Hold those of `pids` that are children of `shell`, until the result is disposed of; where all that is known on the word of
 * another reptyr, those that it could hold itself.
 */
export function holdChildren(
  shell: ProcessName | undefined,
  pids: readonly number[],
  authority?: Authority,
): Disposable {
  const held = new DisposableStack();
  if (shell === undefined || !lives(shell)) return held;
  for (const pid of pids) {
    const stat = readStat(pid);
    if (stat?.ppid !== shell.pid) continue;
    const isAllowed = () => authority?.mayTrace(stat) ?? true;
    if (!isAllowed()) continue;
    try {
      using undo = new DisposableStack();
      const tracee = undo.use(Tracee.seize(pid, { timeoutSeconds: HOLD_SECONDS }));
      if (!isAllowed()) continue;
      undo.move();
      held.use(tracee);
    } catch (error) {
      const expected = [RefusedError, StopTimeoutError, SyscallError, TraceeDiedError];
      if (!expected.some((one) => error instanceof one)) throw error;
      verbose(`Process ${pid} is stopped by SIGSTOP alone: ${error}`);
    }
  }
  return held;
}

function lives({ pid, startTime }: ProcessName): boolean {
  const stat = readStat(pid);
  return stat !== undefined && isLive(stat) && stat.startTime === startTime;
}

/** How long a continued reptyr may take to let go. */
const RELEASE_SECONDS = 2;
const PAUSE_US = 2000;

/** Continue the reptyrs that hold any of `pids`, which are to be moved on, and wait until they have let go. */
export function releaseHeld(pids: readonly number[]): void {
  const deadline = new Deadline(RELEASE_SECONDS);
  for (const pid of pids) {
    const tracer = () => readable(() => readStatus(pid, livingThread(pid)))?.tracerPid ?? 0;
    const holder = tracer();
    if (holder === 0 || !resume(holder)) continue;
    verbose(`Continued process ${holder}, a reptyr that holds process ${pid}`);
    while (tracer() === holder && !deadline.passed) usleep(PAUSE_US);
  }
}

/**
 * Continue a process that is called what we are, and has been stopped: that is a claim, but of the one that is continued.
 * Whether it was.
 */
function resume(pid: number): boolean {
  const pidfd = pidfdOpen(pid);
  if (pidfd < 0) return false;
  const done = isSuspendedReptyr(pid) && pidfdSendSignal(pidfd, SIGCONT) >= 0;
  close(pidfd);
  return done;
}
