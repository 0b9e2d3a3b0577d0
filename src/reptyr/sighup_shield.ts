/**
 * Keeping the old shell's SIGHUP from the target.
 *
 * An interactive shell that is hung up sends SIGHUP to the process groups of its jobs. The target led such a
 * group, and its new one has the same number after setsid(): that number is its PID. So SIGHUP is
 * ignored while the shell lives, and what the target did about it before is put back when the shell
 * is gone, or when we go and the new terminal's own SIGHUP must tell the target so. Children that the
 * target begets meanwhile inherit the ignoring; so does the target when it calls execve(2).
 */
import { SIG_DFL, SIG_IGN, SIGHUP } from "../ffi/constants.ts";
import { close } from "../ffi/descriptor.ts";
import { pidfdOpen } from "../ffi/process.ts";
import { readAuxv } from "../proc/auxv.ts";
import { RemoteSyscalls } from "../tracee/remote_syscalls.ts";
import { Tracee } from "../tracee/tracee.ts";
import {
  getAction,
  handlerOf,
  setAction,
  setActionIfKilled,
  setHandler,
  type SignalAction,
} from "./signal_action.ts";

export class SighupShield {
  #saved: SignalAction | undefined;

  private constructor(
    readonly pid: number,
    /** PTRACE_O_* bits that are needed to make the target call anything. */
    readonly options: number,
    /** Readable when the shell has ended. */
    readonly shellPidfd: number,
    /** Tells one program image from the next: its addresses mean nothing after execve(2). */
    readonly image: string | undefined,
    saved: SignalAction,
  ) {
    this.#saved = saved;
  }

  /**
   * Make the target of `remote` ignore SIGHUP as long as process `shell` lives; `undefined` when it does already, or
   * that shell has ended. Not for a target that has a SIGHUP pending: ignoring would discard it.
   */
  static raise(remote: RemoteSyscalls, shell: number): SighupShield | undefined {
    const { pid, options } = remote.tracee;
    const saved = getAction(remote, SIGHUP);
    if (handlerOf(remote, saved) === SIG_IGN) return undefined;
    const shellPidfd = pidfdOpen(shell);
    if (shellPidfd < 0) return undefined;
    setActionIfKilled(remote, SIGHUP, saved);
    setHandler(remote, SIGHUP, SIG_IGN);
    return new SighupShield(pid, options, shellPidfd, readAuxv(pid), saved);
  }

  /** Whether the target's own disposition is still to be put back. */
  get raised(): boolean {
    return this.#saved !== undefined;
  }

  /**
   * Put back what the target did about SIGHUP, unless it has chosen something else by itself since. The target
   * is stopped for a moment, which may take `timeoutSeconds`. Errors are those of Tracee.seize(); after one
   * this may be tried again.
   */
  lift(timeoutSeconds: number): void {
    if (this.#saved === undefined) return;
    using tracee = Tracee.seize(this.pid, { timeoutSeconds, options: this.options });
    using remote = RemoteSyscalls.begin(tracee);
    if (handlerOf(remote, getAction(remote, SIGHUP)) === SIG_IGN) this.#putBack(remote);
    this.#forget();
  }

  /** Put it back within the scope that raised the shield, or another before the target ran: the move has failed. */
  undo(remote: RemoteSyscalls): void {
    this.#putBack(remote);
    this.#forget();
  }

  /** execve(2) resets a handler to the default: it would be an address in a program that is no more. */
  #putBack(remote: RemoteSyscalls): void {
    if (this.#saved === undefined) return;
    if (readAuxv(this.pid) === this.image) setAction(remote, SIGHUP, this.#saved);
    else setHandler(remote, SIGHUP, SIG_DFL);
  }

  #forget(): void {
    if (this.#saved !== undefined) close(this.shellPidfd);
    this.#saved = undefined;
  }
}
