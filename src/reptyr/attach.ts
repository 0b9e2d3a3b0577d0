/**
 * The move itself, in one synchronous piece: stop the target, hand it the new terminal, let its old shell
 * see a stop, change its session, swap its descriptors, let it go. A signal to this program is acted
 * upon before or after, never in between.
 */
import { RefusedError, SyscallError, TraceeDiedError } from "../errors.ts";
import { O_RDWR, PTRACE_O_SUSPEND_SECCOMP, SIGCONT } from "../ffi/constants.ts";
import { close, fchown } from "../ffi/descriptor.ts";
import { ERRNO } from "../ffi/errno.ts";
import { kill, pidfdOpen, pidfdOpenThread } from "../ffi/process.ts";
import { orThrow } from "../ffi/raw.ts";
import { verbose } from "../log.ts";
import { type Descriptor, readFds } from "../proc/fds.ts";
import { readStat, type Stat } from "../proc/stat.ts";
import { readStatus, type Status } from "../proc/status.ts";
import { enterGroupStop } from "../tracee/group_stop.ts";
import { RemoteSyscalls } from "../tracee/remote_syscalls.ts";
import { Tracee } from "../tracee/tracee.ts";
import type { Pty } from "../tty/pty.ts";
import { setTermios } from "../tty/termios.ts";
import type { WindowSize } from "../tty/window_size.ts";
import { handOver } from "./handover.ts";
import { controllingShell, isForeground, waitForPrompt } from "./old_shell.ts";
import { oldSettings } from "./old_settings.ts";
import { type OldTerminal, oldTerminal } from "./old_terminal.ts";
import { type MovePlan, planMove } from "./plan.ts";
import { attachFailure, type PreflightFacts } from "./preflight.ts";
import { underSeccomp } from "./refusals.ts";
import { takeTerminal } from "./session.ts";
import { sharesDescription, withOwnDescriptors } from "./sharing.ts";
import { SighupShield } from "./sighup_shield.ts";
import { discardPending } from "./signal_action.ts";
import { swapDescriptors } from "./swap.ts";

/** The group that chown(2) leaves as it is: (gid_t) -1. */
const UNCHANGED = 0xffff_ffff;

/** The target as it is now that none of its threads runs. */
interface StoppedTarget {
  readonly stat: Stat;
  readonly status: Status;
  readonly fds: readonly Descriptor[];
  readonly terminal: OldTerminal;
}

export interface Attachment {
  /** What of the target is changed for as long as we serve its terminal. */
  readonly shield: SighupShield | undefined;
  /** Of the old terminal; `undefined` when that was hung up. */
  readonly oldSize: WindowSize | undefined;
}

/**
 * Move the target of `facts` to the slave of `pty`. It runs when this returns, also when it was found
 * job-stopped: it is in the foreground of the new terminal then, as after `fg`.
 *
 * Throws when it cannot be done, with the target as it was before, or TraceeDiedError.
 */
export function attach(facts: PreflightFacts, pty: Pty, timeoutSeconds: number): Attachment {
  const { pid, tid } = facts;
  using cleanup = new DisposableStack();
  const pidfd = orThrow(
    tid === pid ? pidfdOpen(pid) : pidfdOpenThread(tid),
    `pidfd_open(${tid})`,
  );
  cleanup.defer(() => close(pidfd));
  try {
    using tracee = seize(facts, timeoutSeconds);
    verbose(`Stopped ${tracee.tids.length} thread(s) of process ${pid}`);
    const target = lookAtStopped(tracee);
    const plan = planMove(target.fds, target.terminal.fds, sharesDescription(tracee.mainTid));
    const old = oldSettings(pidfd, target.terminal.fds[0]!, isForeground(target.stat));
    setTermios(pty.slave, old.termios);
    giveTo(pty, target.status);

    // One more than the plan needs: the controlling terminal is set through a readable descriptor.
    const slaves = [O_RDWR, ...plan.descriptions.map(({ flags }) => flags)].map((flags) => {
      const slave = pty.openSlave(flags);
      cleanup.defer(() => close(slave));
      return slave;
    });
    const given = handOverAlone(tracee, pidfd, slaves);
    const shield = move(tracee, target, plan, given, timeoutSeconds);
    return { shield, oldSize: old.size };
  } catch (error) {
    throw firstOf(error);
  }
}

/** Seize the target, or say why that is not allowed. */
function seize({ pid, command, targetSeccomp }: PreflightFacts, timeoutSeconds: number): Tracee {
  try {
    const options = targetSeccomp === 0 ? 0 : PTRACE_O_SUSPEND_SECCOMP;
    return Tracee.seize(pid, { timeoutSeconds, options });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== ERRNO.EPERM) throw error;
    if (targetSeccomp !== 0) {
      throw underSeccomp({ pid, command });
    }
    throw attachFailure(pid);
  }
}

/** What preflight saw may have changed until the last thread had stopped. */
function lookAtStopped({ pid, mainTid, tids }: Tracee): StoppedTarget {
  const stat = readStat(pid);
  const status = readStatus(pid, mainTid);
  const fds = readFds(pid, mainTid);
  if (stat === undefined || status === undefined || fds === undefined) {
    throw new TraceeDiedError(pid);
  }
  const terminal = oldTerminal(stat.ttyNr, fds);
  if (terminal === undefined) {
    throw new RefusedError(`Cannot move process ${pid}: it has just closed its terminal`);
  }
  const apart = withOwnDescriptors(mainTid, tids);
  if (apart.length > 0) {
    throw new RefusedError(
      `Cannot move process ${pid}: its threads ${apart.join(", ")} have descriptors of their own`,
    );
  }
  return { stat, status, fds, terminal };
}

/** For programs that open their terminal again by name. Without privilege the user is our own anyway. */
function giveTo(pty: Pty, { uids }: Status): void {
  const owner = uids[1];
  if (fchown(pty.slave, owner, UNCHANGED) < 0) {
    verbose(`${pty.name} stays ours: its owner cannot be changed to user ${owner}`);
  }
}

/** {@linkcode handOver} in a scope of its own: the target leaves it with its registers its own. */
function handOverAlone(tracee: Tracee, pidfd: number, slaves: readonly number[]): number[] {
  using remote = RemoteSyscalls.begin(tracee);
  return handOver(remote, pidfd, slaves);
}

/** Change sides with the descriptors `given` to the target; after a throw it has none of them. */
function move(
  tracee: Tracee,
  target: StoppedTarget,
  plan: MovePlan,
  given: readonly number[],
  timeoutSeconds: number,
): SighupShield | undefined {
  const { stat } = target;
  const shell = controllingShell(stat);
  const showStop = shell !== undefined && isForeground(stat) && !tracee.foundStopped;
  try {
    if (showStop) {
      enterGroupStop(tracee);
      waitForPrompt(shell, stat.pgrp);
      verbose(`The shell, process ${shell}, has its terminal back`);
    }
    using remote = RemoteSyscalls.begin(tracee);
    const shield = changeSides(remote, target, plan, given, shell, timeoutSeconds);
    if (showStop) continueUnseen(remote);
    else if (tracee.foundStopped) kill(tracee.pid, SIGCONT);
    return shield;
  } catch (error) {
    using remote = RemoteSyscalls.begin(tracee);
    if (showStop) continueUnseen(remote);
    for (const fd of given) remote.syscall("close", fd);
    throw error;
  }
}

/** What the target does itself, in one scope: shield, session, controlling terminal, descriptors. */
function changeSides(
  remote: RemoteSyscalls,
  { stat, status, terminal }: StoppedTarget,
  plan: MovePlan,
  [controlling, ...replacements]: readonly number[],
  shell: number | undefined,
  timeoutSeconds: number,
): SighupShield | undefined {
  using undo = new DisposableStack();
  const shield = shell === undefined ? undefined : raiseShield(remote, shell, timeoutSeconds);
  undo.defer(() => shield?.undo(remote));
  const role = {
    leadsSession: stat.session === stat.pid,
    leadsGroup: stat.pgrp === stat.pid,
    hasTerminal: stat.ttyNr !== 0,
    oldFd: terminal.fds[0]!,
    pendingSignals: status.sigPending | status.sharedPending,
  };
  takeTerminal(remote, role, controlling!);
  swapDescriptors(remote, plan, replacements);
  undo.move();
  remote.syscall("close", controlling!);
  verbose(`Moved descriptors ${terminal.fds.join(", ")} of process ${stat.pid}`);
  return shield;
}

/** End a stop of our making. SIGCONT works when it is sent; its handler in the target need not run. */
function continueUnseen(remote: RemoteSyscalls): void {
  kill(remote.tracee.pid, SIGCONT);
  discardPending(remote, SIGCONT);
}

function raiseShield(
  remote: RemoteSyscalls,
  shell: number,
  timeoutSeconds: number,
): SighupShield | undefined {
  const pidfd = pidfdOpen(shell);
  return pidfd < 0 ? undefined : SighupShield.raise(remote, pidfd, timeoutSeconds);
}

/** What went wrong first; what then failed in putting things back is a consequence of it. */
function firstOf(error: unknown): unknown {
  return error instanceof SuppressedError ? firstOf(error.suppressed) : error;
}
