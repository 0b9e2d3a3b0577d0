/**
 * What the members of a stopped job do to be on the new terminal. Helpers first, the target last: what that does in
 * its session cannot all be undone.
 *
 * Where the target leads its session, all stay in it and in their groups. Else the target alone can have a new
 * session, for setsid(2) takes no one along: the others leave its process group and stay in the old session. A
 * terminal that is not the controlling one holds nobody back who reads, writes or sets it:
 * __tty_check_change() in drivers/tty/tty_jobctrl.c.
 */
import { type Pgrp, type RemoteFd, toPgrp } from "../../brands.ts";
import { firstOf, RefusedError, RemoteSyscallError } from "../../errors.ts";
import { SIGCONT, SIGHUP, TIOCNOTTY, TIOCSCTTY, TIOCSPGRP } from "../../ffi/constants.ts";
import { verbose } from "../../log.ts";
import type { Stat } from "../../proc/stat.ts";
import { hasSignal, readStatus } from "../../proc/status.ts";
import { enterGroupStop } from "../../tracee/group_stop.ts";
import { retrySyscall } from "../../tracee/retry_syscall.ts";
import { DATA, isError, type RemoteSyscalls } from "../../tracee/remote_syscalls.ts";
import { interleave, runToCompletion, type Steps } from "../../tracee/steps.ts";
import { allOf, type ReceivedFds } from "./descriptors/send_fds.ts";
import type { SignalSets } from "./session/hangup_signals.ts";
import type { Job } from "./job/job.ts";
import type { KnownRecord } from "../record/known_records.ts";
import type { Member } from "./job/member.ts";
import { controllingShell, isForeground, waitForPrompt } from "./session/old_shell.ts";
import type { MovePlan } from "./descriptors/plan.ts";
import { duplicate } from "./descriptors/remote_fd.ts";
import {
  formGroup,
  ignoreHangupSignals,
  joinGroup,
  pushReturnToPgrp,
  setForeground,
  takeTerminal,
} from "./session/session.ts";
import { ShellsEnd } from "./session/shells_end.ts";
import { SighupShield } from "./session/sighup_shield.ts";
import { discardPending } from "./session/signal_action.ts";
import { swapDescriptors } from "./descriptors/replace_fds.ts";
import { undoByCall } from "./undo/undo_call.ts";
import { putZombiesOut } from "./job/zombies.ts";
import { identityOf, isSame, type ProcessIdentity } from "../../proc/process_identity.ts";

/** A member with what it is to do, and what it has been given to do it. */
export interface MemberMove {
  readonly member: Member;
  readonly plan: MovePlan;
  /** Descriptors in the member: `plan` uses up the replacements. */
  readonly given: ReceivedFds;
  /** In the target: a descriptor on the controlling terminal that it leaves. */
  readonly oldControlling: RemoteFd | undefined;
  /** Further ones, in the member, of what they replace, to undo with; `undefined` where nothing was open. */
  readonly old: readonly (RemoteFd | undefined)[];
}

export interface Change {
  /** Those of the group who stay where they are, when the target goes alone. */
  readonly leftInPgrp: readonly Stat[];
  /** What other reptyrs, which served the job until now, have changed in it. */
  readonly otherRecords: readonly KnownRecord[];
  /** Whether others are in the target's group, which are no part of the job. */
  readonly hasBystanders: boolean;
  /** Whether the target stays in its session and group, and all helpers with it: zombies.ts. */
  readonly keepsSession: boolean;
}

/**
 * Bring the job to the terminal of which `movers`, the target first, have descriptors. How to undo each step is
 * put on `undo`. Returns the shell that has it as a job, if one does, and the shields, which are to be lifted once
 * that shell has ended; those that are `known` to have been raised in an earlier move are among them.
 *
 * When the target goes alone, those `staying` of its group keep the old terminal as they have it, and its shell is not
 * shown a stop for as long as they are in the foreground: it `isWaiting` then.
 */
export function switchTerminal(
  job: Job,
  movers: readonly MemberMove[],
  { leftInPgrp, otherRecords, hasBystanders, keepsSession }: Change,
  undo: DisposableStack,
): {
  readonly shell: ProcessIdentity | undefined;
  readonly isWaiting: boolean;
  readonly shields: readonly SighupShield[];
} {
  const { target } = job;
  const stats = job.alone ? [target.stat] : job.members.map(({ stat }) => stat);
  const shell = controllingShell(stats.filter(({ pgrp }) => pgrp === target.stat.pgrp));
  const isWaiting = leftInPgrp.length > 0 && isForeground(target.stat) &&
    !target.tracee.wasJobStopped;
  const end = shell === undefined || isWaiting ? undefined : showStop(job, shell, undo);
  const shellName = shell === undefined ? undefined : identityOf(shell);
  const shields = new Shields(shellName, undo);
  const adopted = adoptShields(job, otherRecords);

  const mover = movers.find(({ member }) => member === target)!;
  const relayed = job.others.filter((member) => isHelper(member, target));
  const group = leadsGroup(target) && !keepsSession ? moveToOwnPgrp(relayed, undo) : undefined;
  if (!keepsSession) putZombiesOut(job, undo);
  const isLeaving = job.alone && group !== undefined && isForeground(target.stat);
  if (isLeaving && mover.oldControlling !== undefined) {
    leaveForeground(mover, group, undo);
  }
  // What can be undone comes first: a new session cannot, and closing its terminal sends SIGHUP.
  let oldFd: RemoteFd | undefined;
  interleave(movers.map((mover) =>
    mover.member.withRemoteSteps(function* (remote) {
      const { member, oldControlling } = mover;
      if (member === target && oldControlling !== undefined && !keepsSession) {
        oldFd = yield* duplicate(remote, oldControlling);
        target.closeLater(oldFd);
      }
      const shielded = member === target
        ? leadsGroup(target)
        : !job.alone && isHelper(member, target);
      if (shielded) yield* shields.raise(remote, member);
      yield* swap(remote, mover, undo);
    })
  ));
  const { given } = mover;
  for (const fd of allOf({ ...given, replacements: [] })) target.closeLater(fd);
  if (!keepsSession) {
    target.withRemote((remote) =>
      changeSession(remote, job, { oldFd, fd: given.controlling! }, undo)
    );
  }
  for (const { member } of job.alone || hasBystanders ? [] : movers) {
    if (isHelper(member, target) && leadsSession(member)) releaseOld(job, member, mover.old, undo);
  }
  if (end !== undefined) {
    const group = movers.filter(({ member }) => member.stat.pgrp === target.stat.pgrp);
    interleave(
      group.map(({ member }) => member.withRemoteSteps((remote) => end.forget(remote, member))),
    );
  }
  job.commit();
  continueJobStopped(job);
  return {
    shell: shellName,
    isWaiting,
    shields: [...adopted, ...shields.raised],
  };
}

/** The shields of reptyrs that serve the job until now, and cannot lift them any more. */
function adoptShields(job: Job, known: readonly KnownRecord[]): SighupShield[] {
  return known.flatMap(({ shields, authority }) =>
    shields.flatMap((record) => {
      const member = job.members.find(({ stat }) => isSame(stat, record.process));
      if (member === undefined) return [];
      return member.withRemote((remote) => SighupShield.adopt(remote, record, authority)) ?? [];
    })
  );
}

/** `oldFd` and `fd` are descriptors of the target, on the terminal that it has had and on the one that it gets. */
function changeSession(
  remote: RemoteSyscalls,
  job: Job,
  { oldFd, fd }: { readonly oldFd: RemoteFd | undefined; readonly fd: RemoteFd },
  undo: DisposableStack,
): void {
  const { target } = job;
  const role = { leadsSession: leadsSession(target), leadsGroup: leadsGroup(target), oldFd };
  const unmute = ignoreHangups(job, target, undo);
  takeTerminal(remote, role, fd);
  unmute();
  verbose(`Process ${target.pid} has its new terminal`);
}

/** Whether the member is left behind by the target's setsid() though it is in its group. */
function isHelper({ stat }: Member, target: Member): boolean {
  return !leadsSession(target) && stat.pgrp === target.stat.pgrp;
}

/**
 * Take the terminal that the job has left from a helper that leads the session there: it would be hung up with that.
 * `old` are its descriptors for it. Not where the terminal still has another foreground group to serve: TIOCNOTTY would
 * hang that up; and not where others are in the leader's group, which is the target's, too. The target is on its new terminal by now: what goes wrong here is no reason to fail.
 */
function releaseOld(
  job: Job,
  leader: Member,
  old: MemberMove["old"],
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
    const first = firstOf(error);
    if (!(first instanceof RefusedError || first instanceof RemoteSyscallError)) throw error;
    verbose(`Process ${leader.pid} keeps its old terminal: ${first.message}`);
  }
}

export function leadsSession({ pid, stat }: Member): boolean {
  return stat.session === pid;
}

function leadsGroup({ pid, stat }: Member): boolean {
  return stat.pgrp === pid;
}

/**
 * Let the shell see its foreground job stop, and take its terminal back: by a stop of its own children alone. It is
 * told of no others, while a parent within the job would be, with SIGCHLD. The stop is over then, for as long as it
 * lasts nobody could bring itself back if we were killed. A shell that ends meanwhile takes the job for stopped: see the
 * result, `undefined` where no stop was shown.
 */
function showStop(job: Job, shell: number, undo: DisposableStack): ShellsEnd | undefined {
  const { stat, tracee } = job.target;
  if (!isForeground(stat) || tracee.wasJobStopped) return undefined;
  const end = new ShellsEnd(shell);
  const children = job.members.filter((member) =>
    member.stat.ppid === shell && member.stat.pgrp === stat.pgrp && !member.tracee.wasJobStopped
  );
  for (const member of children) {
    undo.defer(() =>
      member.undo((remote) => {
        continueUnseen(remote);
        runToCompletion(end.forget(remote, member));
      })
    );
    // Somebody else's SIGCONT ends it, and the job with that: there is nothing to wait for.
    if (!enterGroupStop(member.tracee)) return end;
  }
  waitForPrompt(shell, stat.pgrp);
  verbose(`The shell, process ${shell}, has its terminal back`);
  for (const member of children) member.withRemote(continueUnseen);
  return end;
}

/**
 * End a stop of our making. SIGCONT works when it is sent; its handler in the process need not run. None can have been
 * pending before: SIGSTOP discards it, signal(7).
 */
export function continueUnseen(remote: RemoteSyscalls): void {
  remote.tracee.signal(SIGCONT);
  runToCompletion(discardPending(remote, SIGCONT));
}

/** A job that the user had stopped runs on the new terminal, as after `fg`. */
function continueJobStopped({ target, members, alone }: Job): void {
  if (!target.tracee.wasJobStopped) return;
  for (const { tracee, stat } of alone ? [target] : members) {
    if (stat.pgrp === target.stat.pgrp && tracee.wasJobStopped) tracee.signal(SIGCONT);
  }
}

/** Those who stay are in `group` now: the keyboard of the old terminal goes on being theirs. */
function leaveForeground(
  { member, oldControlling }: MemberMove,
  group: Pgrp,
  undo: DisposableStack,
): void {
  const fd = oldControlling!;
  const before = member.withRemote((remote) => {
    const before = toPgrp(remote.syscallOrThrow("getpgid", 0));
    const data = new Uint8Array(new Int32Array([before]).buffer);
    remote.pushUndoFrame("ioctl", [fd, TIOCSPGRP, DATA], { data });
    setForeground(remote, fd, group);
    return before;
  });
  undo.defer(() => member.undo((remote) => retrySyscall(() => setForeground(remote, fd, before))));
}

/**
 * Take the helpers out of the target's group, into one of their own; its number, in the PID namespace of who formed it
 * last: those in another namespace form another. `undefined` when there is no helper.
 */
function moveToOwnPgrp(relayed: readonly Member[], undo: DisposableStack): Pgrp | undefined {
  function* leave(
    remote: RemoteSyscalls,
    member: Member,
    group: Pgrp | undefined,
  ): Steps<boolean> {
    // In its own PID namespace; kernels without those do not tell.
    const known = member.status.nsPgid.at(-1);
    const before = toPgrp(known ?? (yield* remote.callOrThrow("getpgid", 0)));
    pushReturnToPgrp(remote, before);
    undo.defer(() => member.undo((remote) => undoByCall(remote, "setpgid", 0, before)));
    return group !== undefined && (yield* joinGroup(remote, group));
  }
  const form = (member: Member) =>
    member.withRemote((remote) => runToCompletion(formGroup(remote)));
  const [first, ...others] = relayed;
  if (first === undefined) return undefined;
  first.withRemote((remote) => runToCompletion(leave(remote, first, undefined)));
  let group = form(first);
  const joined = interleave(
    others.map((member) => member.withRemoteSteps((remote) => leave(remote, member, group))),
  );
  for (const member of others.filter((_, index) => !joined[index])) {
    const hasJoined = member.withRemote((remote) => runToCompletion(joinGroup(remote, group)));
    if (!hasJoined) group = form(member);
  }
  return group;
}

function* swap(
  remote: RemoteSyscalls,
  { member, plan, given, old }: MemberMove,
  undo: DisposableStack,
): Steps<void> {
  if (plan.descriptions.length === 0) return;
  yield* swapDescriptors(remote, plan, given.replacements, old);
  undo.defer(() => member.swapBack(plan, old));
  const numbers = plan.descriptions.flatMap(({ descriptors }) => descriptors.map(({ fd }) => fd));
  verbose(`Moved descriptors ${numbers.join(", ")} of process ${member.pid}`);
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
 * The mask is the one that it had then, for all signals are blocked while its registers are on loan.
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

/** Shields against the SIGHUP of the shell of the job, if it has one. */
class Shields {
  readonly raised: SighupShield[] = [];

  constructor(readonly shell: ProcessIdentity | undefined, readonly undo: DisposableStack) {}

  /**
   * For a process whose group has the number that the shell knows the job by; and for one whose group is orphaned
   * when the shell ends: if it is stopped just then, the kernel hangs it up, kill_orphaned_pgrp() in kernel/exit.c.
   */
  *raise(remote: RemoteSyscalls, member: Member): Steps<void> {
    if (this.shell === undefined || hasSignal(pendingSignals(member), SIGHUP)) return;
    const process = { pid: member.pid, startTime: member.stat.startTime };
    const shield = yield* SighupShield.raise(remote, { process, shell: this.shell });
    if (shield === undefined) return;
    this.raised.push(shield);
    this.undo.defer(() => member.undo((remote) => shield.undo(remote)));
  }
}

/** Bit N - 1: signal N. */
function pendingSignals({ status }: Member): bigint {
  return status.sigPending | status.sharedPending;
}
