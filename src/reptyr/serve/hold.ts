/**
 * A stop that the kernel does not report to the old shell.
 *
 * A shell that ends also ends the jobs that it knows to be stopped: docs/kernel-notes.md#bash-ends-stopped-jobs-when-it-ends.
 * So while ^Z holds the job in the new shell, children of the old shell are not in a group-stop, which the kernel reports to
 * the parent. They are in a ptrace-stop of ours, which lasts while we are stopped ourselves. If we are killed meanwhile the
 * kernel lets them go.
 */
import { isExpected } from "../../errors.ts";
import { usleep } from "../../ffi/process.ts";
import { verbose } from "../../log.ts";
import { readable } from "../../proc/gone.ts";
import { isAlive, type ProcessIdentity } from "../../proc/process_identity.ts";
import { livingThread, readStat } from "../../proc/stat.ts";
import { readStatus } from "../../proc/status.ts";
import { Deadline } from "../../tracee/wait.ts";
import { continueHolder, type Gate } from "../gate/gate.ts";

/** How long each process may take to stop. A process that does not stop in time is left to SIGSTOP. */
const HOLD_SECONDS = 0.5;

/** Hold the processes that are children of `shell` until the result is disposed of. */
export function holdChildren(
  shell: ProcessIdentity | undefined,
  processes: readonly ProcessIdentity[],
  gate: Gate,
): Disposable {
  const held = new DisposableStack();
  if (shell === undefined || !isAlive(shell)) return held;
  for (const process of processes) {
    const { pid } = process;
    if (readStat(pid)?.ppid !== shell.pid) continue;
    try {
      held.use(gate.seize(process, { timeoutSeconds: HOLD_SECONDS }));
    } catch (error) {
      if (!isExpected(error)) throw error;
      verbose(`Process ${pid} is stopped by SIGSTOP alone: ${error}`);
    }
  }
  return held;
}

/** How long a continued reptyr may take to let go. */
const RELEASE_SECONDS = 2;
const PAUSE_US = 2000;

/** Continue the reptyrs that hold any process of `pids`, which are to be moved on, and wait until they have let go. */
export function releaseHeld(pids: readonly number[]): void {
  const deadline = new Deadline(RELEASE_SECONDS);
  for (const pid of pids) {
    const tracer = () => readable(() => readStatus(pid, livingThread(pid)))?.tracerPid ?? 0;
    const holder = tracer();
    if (holder === 0 || !continueHolder(holder)) continue;
    verbose(`Continued process ${holder}, a reptyr that holds process ${pid}`);
    while (tracer() === holder && !deadline.passed) usleep(PAUSE_US);
  }
}

/**
 * Continue each of `holders` that is a reptyr which ^Z has stopped, and wait until all of `served` go on. The terminal that
 * these reptyrs serve is to be taken from them: a stopped job would otherwise stay stopped, with no reptyr left to serve it.
 */
export function continueServed(
  holders: readonly ProcessIdentity[],
  served: readonly ProcessIdentity[],
): void {
  const standStill = () => served.filter(({ pid }) => standsStill(pid, holders));
  if (standStill().length === 0) return;
  const continued = holders.filter(({ pid }) => continueHolder(pid));
  if (continued.length === 0) return;
  verbose(`Continued process ${continued.map(({ pid }) => pid).join(", ")}, a reptyr, and its job`);
  const deadline = new Deadline(RELEASE_SECONDS);
  while (standStill().length > 0 && !deadline.passed) usleep(PAUSE_US);
}

/** Whether process `pid` is stopped, or one of `holders` traces it. */
function standsStill(pid: number, holders: readonly ProcessIdentity[]): boolean {
  const tid = readable(() => livingThread(pid));
  const tracer = tid && readable(() => readStatus(pid, tid))?.tracerPid;
  const state = readable(() => readStat(pid))?.state;
  return state === "T" || holders.some((holder) => holder.pid === tracer);
}
