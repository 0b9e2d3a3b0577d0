/** The session of the target on its new terminal, and the old terminal given up, with nobody ended by the hang-up. */
import type { RemoteFd } from "../../../brands.ts";
import { firstsOf, hasFailedUndoing } from "../../../errors.ts";
import { RefusedError, RemoteSyscallError } from "../../../errors.ts";
import { TIOCNOTTY, TIOCSCTTY } from "../../../ffi/constants.ts";
import { verbose } from "../../../log.ts";
import { readStatus } from "../../../proc/status.ts";
import { isError } from "../../../tracee/remote_syscalls.ts";
import { interleave, type Steps } from "../../../tracee/steps.ts";
import type { Job } from "../job/job.ts";
import type { Member } from "../job/member.ts";
import { leadsGroup, leadsSession } from "../job/roles.ts";
import type { SignalSets } from "./hangup_signals.ts";
import { ignoreHangupSignals, takeTerminal } from "./session.ts";

/** `oldFd` and `fd` are descriptors of the target, on the terminal that it has had and on the one that it gets. */
export function changeSession(
  job: Job,
  { oldFd, fd }: { readonly oldFd: RemoteFd | undefined; readonly fd: RemoteFd },
  undo: DisposableStack,
): void {
  const { target } = job;
  const role = { leadsSession: leadsSession(target), leadsGroup: leadsGroup(target), oldFd };
  const unmute = ignoreHangups(job, target, undo);
  target.withRemote((remote) => takeTerminal(remote, role, fd));
  unmute();
  verbose(`Process ${target.pid} has its new terminal`);
}

/**
 * Take the terminal that the job has left from a relayed member that leads the session there: it would be hung up with that.
 * `old` are its descriptors for it. Not where the terminal still has another foreground group to serve: TIOCNOTTY would
 * hang that up; and not where others are in the leader's group, which is the target's, too. The target is on its new terminal by now: what goes wrong here is no reason to fail.
 */
export function releaseOld(
  job: Job,
  leader: Member,
  old: readonly (RemoteFd | undefined)[],
  undo: DisposableStack,
): void {
  const { ttyNr, tpgid, pgrp } = leader.stat;
  const oldFd = old.find((fd) => fd !== undefined);
  if (ttyNr === 0 || tpgid !== pgrp || oldFd === undefined) return;
  try {
    leader.withRemote((remote) => {
      const unmute = ignoreHangups(job, leader, undo);
      remote.pushUndoFrame("ioctl", [oldFd, TIOCSCTTY, 0]);
      const result = remote.syscall("ioctl", oldFd, TIOCNOTTY, 0);
      if (isError(result)) verbose(`Process ${leader.pid} has given up its old terminal before`);
      unmute();
    });
  } catch (error) {
    if (hasFailedUndoing(error)) throw error;
    for (const one of firstsOf(error)) {
      if (!(one instanceof RefusedError || one instanceof RemoteSyscallError)) throw error;
      verbose(`Process ${leader.pid} keeps its old terminal: ${one.message}`);
    }
  }
}

/**
 * Session leader `leader`, and all that hear of it when it gives up its terminal, are not to. Returns what ends that,
 * which is also on `undo`.
 */
function ignoreHangups({ members }: Job, leader: Member, undo: DisposableStack): () => void {
  const ends: Steps<void>[] = [];
  const unmute = () => void interleave(ends.splice(0));
  undo.defer(unmute);
  const hearers = members.filter((member) => member === leader || isHungUp(member, leader));
  interleave(hearers.map((member) =>
    member.withRemoteSteps(function* (remote) {
      const end = yield* ignoreHangupSignals(remote, signalsNow(member));
      ends.push(member.undoSteps(end));
    })
  ));
  return unmute;
}

/**
 * What a stopped member does about signals: a shield may have been lifted or raised since it was stopped. A signal counts
 * as ignored only if it was before, too. While a process is traced, an ignored signal is queued, sig_ignored() in
 * kernel/signal.c: the hang-up of the new terminal, if this program is killed, would be there when the shield is undone.
 * The mask is the one that it had then, for all signals are blocked in a remote scope.
 */
function signalsNow({ pid, tracee, status }: Member): SignalSets {
  const now = readStatus(pid, tracee.mainTid) ?? status;
  const sigIgnored = now.sigIgnored & status.sigIgnored;
  return { ...now, sigIgnored, sigBlocked: status.sigBlocked };
}

/** Whether a session leader that gives up its terminal, makes the kernel hang up `member`. */
function isHungUp({ stat }: Member, { stat: leader }: Member): boolean {
  return leader.session === leader.pid && leader.ttyNr !== 0 && stat.pgrp === leader.tpgid;
}
