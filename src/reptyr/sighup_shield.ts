/**
 * Keeping the old shell's SIGHUP from the target.
 *
 * An interactive shell that is hung up sends SIGHUP to the process groups of its jobs. The target was
 * such a job, and its group has the same number after setsid(): that number is its PID. So SIGHUP is
 * ignored while the shell lives, and what the target did about it before is put back when the shell
 * is gone, or when we go and the new terminal's own SIGHUP must tell the target so.
 */
import { SIGHUP } from "../ffi/constants.ts";
import { close } from "../ffi/descriptor.ts";
import { RemoteSyscalls } from "../tracee/remote_syscalls.ts";
import { Tracee } from "../tracee/tracee.ts";
import {
  getAction,
  ignoreSignal,
  isIgnored,
  setAction,
  type SignalAction,
} from "./signal_action.ts";

export class SighupShield {
  #saved: SignalAction | undefined;

  private constructor(
    readonly pid: number,
    /** Readable when the shell has ended. */
    readonly shellPidfd: number,
    readonly timeoutSeconds: number,
    saved: SignalAction,
  ) {
    this.#saved = saved;
  }

  /** Make the target of `remote` ignore SIGHUP; `undefined` when it does already. */
  static raise(
    remote: RemoteSyscalls,
    shellPidfd: number,
    timeoutSeconds: number,
  ): SighupShield | undefined {
    const saved = ignoreSignal(remote, SIGHUP);
    if (isIgnored(remote, saved)) return undefined;
    return new SighupShield(remote.tracee.pid, shellPidfd, timeoutSeconds, saved);
  }

  /** Whether the target's own disposition is still to be put back. */
  get raised(): boolean {
    return this.#saved !== undefined;
  }

  /**
   * Put back what the target did about SIGHUP, unless it has chosen something else by itself since. Once;
   * the target is stopped for a moment. Errors are the tracee's, as of Tracee.seize().
   */
  lift(): void {
    const saved = this.#saved;
    if (saved === undefined) return;
    this.#saved = undefined;
    close(this.shellPidfd);
    using tracee = Tracee.seize(this.pid, { timeoutSeconds: this.timeoutSeconds });
    using remote = RemoteSyscalls.begin(tracee);
    if (isIgnored(remote, getAction(remote, SIGHUP))) setAction(remote, SIGHUP, saved);
  }

  /** Take the disposition back within the scope that raised the shield: the move has failed. */
  undo(remote: RemoteSyscalls): void {
    if (this.#saved !== undefined) setAction(remote, SIGHUP, this.#saved);
    this.#saved = undefined;
  }
}
