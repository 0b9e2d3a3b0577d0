/**
 * Making the target the leader of a session whose controlling terminal is the new one: credentials(7),
 * setsid(2), setpgid(2), ioctl_tty(2).
 */
import { type Pgrp, type RemoteFd, toPgrp } from "../../../brands.ts";
import { TIOCGPGRP, TIOCNOTTY, TIOCSCTTY, TIOCSPGRP } from "../../../ffi/constants.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import { DATA, isError, type RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { retrySyscall } from "../../../tracee/retry_syscall.ts";
import type { Steps } from "../../../tracee/steps.ts";
import { undoByCall } from "../undo/undo_call.ts";
import { pushPause } from "../undo/undo_pause.ts";
import { hangupSignals, type SignalSets } from "./hangup_signals.ts";
import { withPgrpHolder } from "./pgrp_holder.ts";
import { mute } from "./signal_action.ts";

/** sizeof(pid_t) */
const PID_SIZE = 4;

/** What the target is in its session before the move. */
export interface SessionRole {
  readonly leadsSession: boolean;
  /** Its process group has its own number. */
  readonly leadsGroup: boolean;
  /** For a session leader, a descriptor of the target on its controlling terminal, if it has one. */
  readonly oldFd: RemoteFd | undefined;
}

/**
 * Give up the old terminal and session, and take the new terminal, of which `newFd` is a descriptor in the
 * target, as the controlling one. A session leader keeps its session, and its foreground process group stays
 * in the foreground; for others that is the target's own group.
 *
 * TIOCNOTTY by a session leader sends SIGHUP and SIGCONT to the foreground process group,
 * disassociate_ctty(): the caller keeps them from it, see {@linkcode ignoreHangupSignals}.
 *
 * An old terminal that hangs up meanwhile has been taken from the whole session by that: nothing is left to be given up.
 *
 * Throws RemoteSyscallError. Until setsid() has succeeded all is put back then.
 */
export function takeTerminal(remote: RemoteSyscalls, role: SessionRole, newFd: RemoteFd): void {
  using undo = new DisposableStack();
  const { oldFd } = role;
  if (!role.leadsSession) {
    startSession(remote, role.leadsGroup, undo);
    retrySyscall(() => setControlling(remote, newFd));
  } else if (oldFd === undefined) {
    retrySyscall(() => setControlling(remote, newFd));
  } else {
    // Kept in the scratch page: its number is that of the target's PID namespace.
    const foreground = remote.scratch;
    const isLive = ofOld(
      remote,
      remote.syscall("ioctl", oldFd, TIOCGPGRP, foreground),
      "TIOCGPGRP",
    );
    if (isLive) {
      const data = remote.read(PID_SIZE);
      remote.pushUndoFrame("ioctl", [oldFd, TIOCSPGRP, DATA], { data });
      remote.pushUndoFrame("ioctl", [oldFd, TIOCSCTTY, 0]);
      ofOld(remote, remote.syscall("ioctl", oldFd, TIOCNOTTY, 0), "TIOCNOTTY");
      undo.defer(() => undoByCall(remote, "ioctl", oldFd, TIOCSCTTY, 0));
    }
    // Others in the session have lost theirs, and cannot have it back.
    retrySyscall(() => setControlling(remote, newFd));
    // Fails when that group has gone, and then the target's own stays in the foreground.
    if (isLive) remote.syscall("ioctl", newFd, TIOCSPGRP, foreground);
  }
  undo.move();
}

/** Of one that has hung up: hung_up_tty_ioctl() in drivers/tty/tty_io.c, and what is nobody's controlling one any more. */
const HUNG_UP: readonly bigint[] = [BigInt(-ERRNO.EIO), BigInt(-ERRNO.ENOTTY)];

/** Whether ioctl `request` of an old terminal, which answered `result`, was made: not where it has hung up. */
function ofOld(remote: RemoteSyscalls, result: bigint, request: string): boolean {
  if (HUNG_UP.includes(result)) return false;
  remote.check(result, `ioctl(${request})`);
  return true;
}

/** Argument 0: never take a terminal away from another session, which 1 does for root. */
function setControlling(remote: RemoteSyscalls, fd: RemoteFd): void {
  // The hang-up of a terminal that nobody serves any more must not end the target.
  remote.pushUndoFrame("ioctl", [fd, TIOCNOTTY, 0]);
  remote.check(remote.syscall("ioctl", fd, TIOCSCTTY, 0), "ioctl(TIOCSCTTY)");
}

/**
 * Make process group `group`, in the process' PID namespace, the foreground one of its controlling terminal, of which
 * `fd` is a descriptor: tcsetpgrp(3). Signals are blocked in our scopes, SIGTTOU too, so it works in the background.
 */
export function setForeground(remote: RemoteSyscalls, fd: RemoteFd, group: Pgrp): void {
  const bytes = new Uint8Array(new Int32Array([group]).buffer);
  const address = remote.write(bytes);
  ofOld(remote, remote.syscall("ioctl", fd, TIOCSPGRP, address), "TIOCSPGRP");
}

/**
 * Keep from a process the SIGHUP and SIGCONT that come of giving up a terminal, and of the end of the new one if this
 * program is killed. Returns what ends that; none of the process' threads has run until then. A signal that was
 * pending before is not ours to take.
 */
export function* ignoreHangupSignals(
  remote: RemoteSyscalls,
  status: SignalSets,
): Steps<(remote: RemoteSyscalls) => Steps<void>> {
  const unmute: ((remote: RemoteSyscalls) => Steps<void>)[] = [];
  for (const signal of hangupSignals(status)) unmute.push(yield* mute(remote, signal));
  return function* (remote) {
    for (const end of unmute) yield* end(remote);
  };
}

/** Join process group `group`, by its number in the process' PID namespace: whether there is one of that number. */
export function* joinGroup(remote: RemoteSyscalls, group: Pgrp): Steps<boolean> {
  return !isError(yield* remote.call("setpgid", 0, group));
}

/** Form a process group of its own; its number in the process' PID namespace. */
export function* formGroup(remote: RemoteSyscalls): Steps<Pgrp> {
  yield* remote.callOrThrow("setpgid", 0, 0);
  return toPgrp(yield* remote.callOrThrow("getpid"));
}

/**
 * If this program is killed, have the process return to the target's group `group`. All of a job do so at once, and while
 * nobody is in it there is no such group: a second try follows the first.
 */
export function pushReturnToPgrp(remote: RemoteSyscalls, group: Pgrp): void {
  remote.pushUndoFrame("setpgid", [0, group]);
  pushPause(remote);
  remote.pushUndoFrame("setpgid", [0, group]);
}

/** setsid() fails while any process group has the caller's number, so a group leader leaves first. */
function startSession(remote: RemoteSyscalls, leadsGroup: boolean, undo: DisposableStack): void {
  if (leadsGroup) {
    undo.defer(() => undoByCall(remote, "setpgid", 0, 0));
    remote.pushUndoFrame("setpgid", [0, 0]);
    if (!joinGroupOfLeader(remote)) {
      withPgrpHolder(remote, (child) => {
        remote.syscallOrThrow("setpgid", child, child);
        remote.syscallOrThrow("setpgid", 0, child);
      });
    }
  }
  remote.syscallOrThrow("setsid");
}

/**
 * Join the process group of the session's leader, usually the shell; `false` when there is none: the
 * leader has ended, or is outside the target's PID namespace, where getsid() answers 0.
 */
function joinGroupOfLeader(remote: RemoteSyscalls): boolean {
  const session = remote.syscall("getsid", 0);
  return session > 0n && !isError(remote.syscall("setpgid", 0, session));
}
