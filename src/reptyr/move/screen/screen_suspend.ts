/**
 * A full-screen program switches its terminal: alternate screen, cursor keys, mouse, pasting. Only the program knows what
 * it has set, for the kernel does not look and a terminal does not tell. So the program is asked to do what it does at
 * ^Z (docs/kernel-notes.md#sigtstp-and-the-screen). On the new terminal it goes on as after `fg`, and sets all again.
 */
import { SIGCONT, SIGSTOP, SIGTSTP, SIGWINCH } from "../../../ffi/constants.ts";
import { verbose } from "../../../log.ts";
import { hasSignal, readStatus, type Status } from "../../../proc/status.ts";
import { suspendingItself } from "../../../tracee/suspend.ts";
import { Deadline, type Waits } from "../../../tracee/wait.ts";
import type { Job } from "../job/job.ts";
import { foregroundTstpHandlers } from "./foreground_tstp_handlers.ts";

/** Programs take milliseconds. Some catch SIGTSTP and do not stop: they are moved as they are. */
const LONGEST_WAIT_S = 1;

/** Members that were asked. Disposing tells them that they go on: before they are let go. */
export class ScreenSuspension implements Disposable {
  readonly #asked: DisposableStack;

  private constructor(
    asked: DisposableStack,
    /** Whether any were asked: the terminal's settings may be others now. */
    readonly hasAny: boolean,
    /** Whether the old terminal is as the shell needs it. */
    readonly isScreenRight: boolean,
  ) {
    this.#asked = asked;
  }

  /**
   * Ask those members of `job` who drive its terminal. They have run when this returns; all of the job are stopped, and
   * known again. Throws as Job.readingAgain() and suspendingItself() do.
   */
  static *asking(job: Job, timeoutSeconds: number): Waits<ScreenSuspension> {
    using asked = new DisposableStack();
    const candidates = job.members.filter(({ tracee }) => !tracee.wasJobStopped)
      .map(({ stat, status }) => ({
        ...stat,
        catchesStop: catchesStop(status),
      }));
    // Not undefined: the candidates are the members.
    const members = foregroundTstpHandlers(candidates, job.target.stat.tpgid)
      .map((pid) => job.members.find((member) => member.pid === pid)!);
    let isScreenRight = members.length > 0;
    for (const { pid, tracee } of members) {
      // The size may be another: told before it paints. Told later, amid a key, less loses that.
      asked.defer(() => [SIGWINCH, SIGCONT].forEach((signal) => tracee.signal(signal)));
      const done = yield* suspendingItself(tracee, LONGEST_WAIT_S, timeoutSeconds);
      verbose(`Process ${pid} ${done ? "has put its screen right" : "did not stop as for ^Z"}`);
      isScreenRight &&= done;
    }
    if (members.length > 0) {
      clearStops(job);
      yield* job.readingAgain(new Deadline(timeoutSeconds));
    }
    return new ScreenSuspension(asked.move(), members.length > 0, isScreenRight);
  }

  /** When nobody is to be asked. */
  static nobody(): ScreenSuspension {
    return new ScreenSuspension(new DisposableStack(), false, false);
  }

  [Symbol.dispose](): void {
    this.#asked.dispose();
  }
}

/** Whether a program has something to do at ^Z, as those have that drive a screen. */
export function catchesStop({ sigCaught }: Status): boolean {
  return hasSignal(sigCaught, SIGTSTP);
}

/** Some stop their whole group by SIGSTOP. Those who were stopped by us have it before them still. */
function clearStops({ members }: Job): void {
  for (const { pid, status, tracee } of members) {
    const before = status.sigPending | status.sharedPending;
    const now = readStatus(pid);
    const pending = now === undefined ? 0n : now.sigPending | now.sharedPending;
    const fresh = pending & ~before;
    if (hasSignal(fresh, SIGSTOP) || hasSignal(fresh, SIGTSTP)) tracee.signal(SIGCONT);
  }
}
