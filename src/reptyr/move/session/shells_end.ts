/**
 * The SIGTERM of a shell that ends while it takes its job for stopped.
 *
 * bash sends SIGTERM and SIGCONT to jobs that are stopped when it ends, by a hang-up too; running ones get SIGHUP. A move
 * shows the shell a stop of its job, which is none. Where the old terminal hangs up just then, a job that would have lived
 * through that has a SIGTERM coming, and our move would be what ended it.
 */
import { SIGTERM } from "../../../ffi/constants.ts";
import { readable } from "../../../proc/gone.ts";
import { hasSignal, readStatus } from "../../../proc/status.ts";
import { peekSenders } from "../../../tracee/pending_signals.ts";
import type { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import type { Steps } from "../../../tracee/steps.ts";
import type { Member } from "../job/member.ts";
import { discardPending } from "./signal_action.ts";

export class ShellsEnd {
  readonly #numbers: readonly number[];

  /** To be made while the shell lives. */
  constructor(shell: number) {
    this.#numbers = readable(() => readStatus(shell))?.nsPid ?? [];
  }

  /**
   * Discard that SIGTERM where it is pending in a stopped member. One of another sender stays, and so does one that came
   * before: of two that are pending the kernel keeps the first alone.
   */
  *forget(remote: RemoteSyscalls, { pid, tracee, status }: Member): Steps<void> {
    const now = readStatus(pid, tracee.mainTid);
    if (now === undefined || !hasSignal(now.sharedPending, SIGTERM)) return;
    // A parent is in its child's PID namespace, or further out: then it has no number there.
    if (this.#numbers.length !== status.nsPid.length) return;
    const [sender] = peekSenders(tracee.mainTid, SIGTERM);
    if (sender !== undefined && sender === this.#numbers.at(-1)) {
      yield* discardPending(remote, SIGTERM);
    }
  }
}
