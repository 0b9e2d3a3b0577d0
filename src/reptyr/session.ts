/**
 * Making the target the leader of a session whose controlling terminal is the new one: credentials(7),
 * setsid(2), setpgid(2), ioctl_tty(2).
 */
import { SIGCONT, SIGHUP, TIOCNOTTY, TIOCSCTTY } from "../ffi/constants.ts";
import { isError, type RemoteSyscalls } from "../tracee/remote_syscalls.ts";
import { withPlaceholder } from "./placeholder.ts";
import { discardPending } from "./signal_action.ts";

/** What the target is in its session before the move. */
export interface SessionRole {
  readonly leadsSession: boolean;
  /** Its process group has its own number. */
  readonly leadsGroup: boolean;
  readonly hasTerminal: boolean;
  /** A descriptor of the target on its controlling terminal. */
  readonly oldFd: number;
  /** Bit N - 1: signal N was pending already, and is not ours to take away. */
  readonly pendingSignals: bigint;
}

/**
 * Give up the old terminal and session, and take the new terminal, of which `newFd` is a descriptor in the
 * target, as the controlling one. Its foreground process group is then the target's own.
 *
 * Throws RemoteSyscallError. Until setsid() has succeeded all is put back then.
 */
export function takeTerminal(remote: RemoteSyscalls, role: SessionRole, newFd: number): void {
  using undo = new DisposableStack();
  if (!role.leadsSession) startSession(remote, role.leadsGroup, undo);
  else if (role.hasTerminal) {
    giveUpTerminal(remote, role);
    undo.defer(() => remote.syscall("ioctl", role.oldFd, TIOCSCTTY, 0));
  }
  // Argument 0: never take a terminal away from another session, which 1 does for root.
  remote.syscallOrThrow("ioctl", newFd, TIOCSCTTY, 0);
  undo.move();
}

/** setsid() fails while any process group has the caller's number, so a group leader leaves first. */
function startSession(remote: RemoteSyscalls, leadsGroup: boolean, undo: DisposableStack): void {
  if (leadsGroup && !joinGroupOfLeader(remote)) {
    withPlaceholder(remote, (child) => {
      remote.syscallOrThrow("setpgid", child, child);
      remote.syscallOrThrow("setpgid", 0, child);
    });
  }
  undo.defer(() => remote.syscall("setpgid", 0, 0));
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

/**
 * TIOCNOTTY by a session leader sends SIGHUP and SIGCONT to the terminal's foreground process group,
 * disassociate_ctty(), which is the target itself. No thread has run since, so both are still queued.
 */
function giveUpTerminal(remote: RemoteSyscalls, { oldFd, pendingSignals }: SessionRole): void {
  remote.syscallOrThrow("ioctl", oldFd, TIOCNOTTY, 0);
  for (const signal of [SIGHUP, SIGCONT]) {
    if ((pendingSignals & (1n << BigInt(signal - 1))) === 0n) discardPending(remote, signal);
  }
}
