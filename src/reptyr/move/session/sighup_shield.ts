/**
 * Keeping the old shell's SIGHUP from the target.
 *
 * An interactive shell that is hung up sends SIGHUP to the process groups of its jobs. The target led such a
 * group, and its new one has the same number after setsid(): that number is its PID. So SIGHUP is
 * ignored while the shell lives, and what the target did about it before is put back when the shell
 * is gone, or when we go and the new terminal's own SIGHUP must tell the target so. Children that the
 * target forks meanwhile inherit the ignoring; so does the target when it calls execve(2). Another reptyr, which moves
 * the target on, is told of it: job_record.ts.
 */
import { SIG_DFL, SIG_IGN, SIGHUP } from "../../../ffi/constants.ts";
import { close } from "../../../ffi/descriptor.ts";
import { pidfdOpen } from "../../../ffi/process.ts";
import { readImage } from "../../../proc/auxv.ts";
import { isAlive, type ProcessIdentity } from "../../../proc/process_identity.ts";
import { livingThread } from "../../../proc/stat.ts";
import { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { runToCompletion, type Steps } from "../../../tracee/steps.ts";
import { Gate } from "../../gate/gate.ts";
import type { Authority } from "../../gate/record_holder.ts";
import type { ShieldRecord } from "../../record/job_record.ts";
import {
  exchangeAction,
  getAction,
  handlerOf,
  ignoring,
  setAction,
  setHandler,
  type SignalAction,
} from "./signal_action.ts";

export class SighupShield {
  #saved: SignalAction | undefined;

  private constructor(
    readonly pid: number,
    /** Readable when the shell has ended. */
    readonly shellPidfd: number,
    readonly names: { readonly process: ProcessIdentity; readonly shell: ProcessIdentity },
    /** Tells one program image from the next: its addresses mean nothing after execve(2). */
    readonly image: string,
    saved: SignalAction,
    /** On whose word it was adopted; undefined for one that we have raised. */
    readonly authority?: Authority,
  ) {
    this.#saved = saved;
  }

  /**
   * Make the target of `remote`, which is `names.process`, ignore SIGHUP as long as `names.shell` lives; `undefined` when it does already, or
   * that shell has ended. Not for a target that has a SIGHUP pending: ignoring would discard it.
   */
  static *raise(
    remote: RemoteSyscalls,
    names: { readonly process: ProcessIdentity; readonly shell: ProcessIdentity },
  ): Steps<SighupShield | undefined> {
    const { pid } = remote.tracee;
    const shellPidfd = openProcess(names.shell);
    if (shellPidfd < 0) return undefined;
    using unneeded = new DisposableStack();
    unneeded.defer(() => close(shellPidfd));
    const image = imageOf(pid);
    const saved = yield* exchangeAction(remote, SIGHUP, ignoring(remote));
    if (handlerOf(remote, saved) === SIG_IGN) {
      // Its flags and its mask are to stay, too.
      yield* setAction(remote, SIGHUP, saved);
      return undefined;
    }
    unneeded.move();
    return new SighupShield(pid, shellPidfd, names, image, saved);
  }

  /**
   * Take over a shield that another reptyr raised for the target of `remote`, to lift it in its place; now, when that
   * shell has ended. `undefined` then, and when the target has chosen something else by itself since; and where the other
   * reptyr, of which `authority` tells, could not do it.
   */
  static adopt(
    remote: RemoteSyscalls,
    record: ShieldRecord,
    authority: Authority,
  ): SighupShield | undefined {
    const { pid, arch } = remote.tracee;
    // Asked while it stands still: nothing of it changes any more.
    if (record.process.pid !== pid || !authority.mayTrace(record.process)) return undefined;
    const action = Uint8Array.fromHex(record.action);
    if (action.length !== arch.structs.sigaction.size) return undefined;
    if (handlerOf(remote, runToCompletion(getAction(remote, SIGHUP))) !== SIG_IGN) return undefined;
    const shellPidfd = openProcess(record.shell);
    const { image } = record;
    const shield = new SighupShield(pid, shellPidfd, record, image, action, authority);
    if (shellPidfd >= 0) return shield;
    shield.undo(remote);
    return undefined;
  }

  /**
   * What another reptyr needs to know of it; undefined when it has been lifted, and for one that was adopted on the word of
   * a process that may do less than we may: we would give it our own.
   */
  get record(): ShieldRecord | undefined {
    if (this.#saved === undefined || this.authority?.isOurs === false) return undefined;
    const { process, shell } = this.names;
    return { process, shell, action: this.#saved.toHex(), image: this.image };
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
    if (!this.#isAllowed) return this.#forget();
    // It was stopped, and so admitted, when this was raised: by this name and no other.
    const gate = new Gate([this.names.process]);
    using tracee = gate.seize(this.names.process, { timeoutSeconds });
    if (!this.#isAllowed) return this.#forget();
    using remote = RemoteSyscalls.begin(tracee);
    if (handlerOf(remote, runToCompletion(getAction(remote, SIGHUP))) === SIG_IGN) {
      this.#putBack(remote);
    }
    this.#forget();
  }

  /** It may have become a program that the reptyr on whose word we act could not trace: it keeps what it has then. */
  get #isAllowed(): boolean {
    return this.authority?.mayTrace(this.names.process) ?? true;
  }

  /** Put it back within the scope that raised the shield, or another before the target ran: the move has failed. */
  undo(remote: RemoteSyscalls): void {
    this.#putBack(remote);
    this.#forget();
  }

  /**
   * execve(2) resets a handler to the default: it would be an address in a program that is no more.
   *
   * A signal that comes while the target is traced is queued even if it is ignored, sig_ignored() in kernel/signal.c:
   * the shell's may be waiting. Setting SIG_IGN anew discards it.
   */
  #putBack(remote: RemoteSyscalls): void {
    if (this.#saved === undefined) return;
    runToCompletion(setHandler(remote, SIGHUP, SIG_IGN));
    runToCompletion(
      imageOf(this.pid) === this.image
        ? setAction(remote, SIGHUP, this.#saved)
        : setHandler(remote, SIGHUP, SIG_DFL),
    );
  }

  #forget(): void {
    if (this.#saved !== undefined && this.shellPidfd >= 0) close(this.shellPidfd);
    this.#saved = undefined;
  }
}

function imageOf(pid: number): string {
  return readImage(pid, livingThread(pid));
}

/** A descriptor for that process, and no other of its number; negative when it has ended. */
function openProcess(process: ProcessIdentity): number {
  const pidfd = pidfdOpen(process.pid);
  if (pidfd < 0 || isAlive(process)) return pidfd;
  close(pidfd);
  return -1;
}
