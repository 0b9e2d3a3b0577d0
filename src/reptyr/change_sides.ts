/**
 * What the members of a stopped job do to be on the new terminal. Helpers first, the target last: what that does in
 * its session cannot all be undone.
 *
 * Where the target leads its session, all stay in it and in their groups. Else the target alone can have a new
 * session, for setsid(2) takes no one along: the others leave its process group and stay in the old session. A
 * terminal that is not the controlling one holds nobody back who reads, writes or sets it:
 * __tty_check_change() in drivers/tty/tty_jobctrl.c.
 */
import { SIGCONT, SIGHUP, TIOCSPGRP } from "../ffi/constants.ts";
import { kill } from "../ffi/process.ts";
import { verbose } from "../log.ts";
import type { Stat } from "../proc/stat.ts";
import { enterGroupStop } from "../tracee/group_stop.ts";
import { DATA, type RemoteSyscalls } from "../tracee/remote_syscalls.ts";
import type { Job } from "./job.ts";
import type { Member } from "./member.ts";
import { controllingShell, isForeground, waitForPrompt } from "./old_shell.ts";
import type { MovePlan } from "./plan.ts";
import { duplicate } from "./remote_descriptor.ts";
import { leaveGroup, muteHangup, setForeground, takeTerminal } from "./session.ts";
import { SighupShield } from "./sighup_shield.ts";
import { discardPending } from "./signal_action.ts";
import { swapDescriptors } from "./swap.ts";

/** A member with what it is to do, and what it has been given to do it. */
export interface Mover {
  readonly member: Member;
  readonly plan: MovePlan;
  /** Descriptors in the member, in the order of `plan.descriptions`; the target has more. */
  readonly given: readonly number[];
  /** Of the target: one of those, on the new terminal and readable, and one on the old controlling terminal. */
  readonly controlling: number | undefined;
  readonly oldControlling: number | undefined;
  /** Our copies of what they replace, to undo with; `undefined` where nothing was open. */
  readonly old: readonly (number | undefined)[];
}

/**
 * Bring the job to the terminal of which `movers`, the target first, have descriptors. How to undo each step is
 * put on `undo`. The shields are to be lifted once the shell of the job has ended.
 *
 * When the target goes alone, those `staying` of its group keep the old terminal as they have it, and its shell is not
 * shown a stop for as long as they are in the foreground: `shell` goes on waiting then.
 */
export function changeSides(
  job: Job,
  movers: readonly Mover[],
  staying: readonly Stat[],
  undo: DisposableStack,
): { shields: SighupShield[]; shell: number | undefined } {
  const { target } = job;
  const stats = job.alone ? [target.stat] : job.members.map(({ stat }) => stat);
  const shell = controllingShell(stats.filter(({ pgrp }) => pgrp === target.stat.pgrp));
  const isWaiting = staying.length > 0 && isForeground(target.stat) && !target.tracee.foundStopped;
  if (shell !== undefined && !isWaiting) showStop(job, shell, undo);
  const shields = new Shields(shell, undo);

  let group: bigint | undefined;
  for (const mover of movers.filter(({ member }) => member !== target)) {
    const { member } = mover;
    member.within((remote) => {
      if (isHelper(member, target)) {
        if (leadsGroup(target)) group = regroup(remote, member, group, undo);
        if (!job.alone) shields.raise(remote, member);
      }
      swap(remote, mover, undo);
    });
  }
  const mover = movers.find(({ member }) => member === target)!;
  if (job.alone && group !== undefined && isForeground(target.stat)) {
    leaveForeground(mover, group, undo);
  }
  target.within((remote) => moveTarget(remote, job, mover, shields, undo));
  job.settle();
  continueFoundStopped(job);
  return { shields: shields.raised, shell: isWaiting ? shell : undefined };
}

function moveTarget(
  remote: RemoteSyscalls,
  job: Job,
  mover: Mover,
  shields: Shields,
  undo: DisposableStack,
): void {
  const { target } = job;
  const controlling = mover.controlling!;
  const role = { leadsSession: leadsSession(target), leadsGroup: leadsGroup(target) };
  let oldFd: number | undefined;
  if (mover.oldControlling !== undefined) {
    oldFd = duplicate(remote, mover.oldControlling);
    target.closeLater(oldFd);
  }
  if (role.leadsGroup) shields.raise(remote, target);
  // What can be undone comes first: a new session cannot, and closing its terminal sends SIGHUP.
  swap(remote, mover, undo);
  const unmute = muteHangups(job, undo);
  takeTerminal(remote, { ...role, oldFd }, controlling);
  mover.given.slice(mover.plan.descriptions.length).forEach((fd) => target.closeLater(fd));
  unmute.dispose();
  verbose(`Process ${target.pid} has its new terminal`);
}

/** Whether the member is left behind by the target's setsid() though it is in its group. */
function isHelper({ stat }: Member, target: Member): boolean {
  return !leadsSession(target) && stat.pgrp === target.stat.pgrp;
}

export function leadsSession({ pid, stat }: Member): boolean {
  return stat.session === pid;
}

function leadsGroup({ pid, stat }: Member): boolean {
  return stat.pgrp === pid;
}

/**
 * Let the shell see its foreground job stop, and take its terminal back. The stop is over then, for as long as it
 * lasts nobody could bring itself back if we were killed.
 */
function showStop(job: Job, shell: number, undo: DisposableStack): void {
  const { stat, tracee } = job.target;
  if (!isForeground(stat) || tracee.foundStopped) return;
  const group = job.members.filter((member) =>
    member.stat.pgrp === stat.pgrp && !member.tracee.foundStopped
  );
  for (const member of group) {
    undo.defer(() => member.undo(continueUnseen));
    // Somebody else's SIGCONT ends it, and the job with that: there is nothing to wait for.
    if (!enterGroupStop(member.tracee)) return;
  }
  waitForPrompt(shell, stat.pgrp);
  verbose(`The shell, process ${shell}, has its terminal back`);
  for (const member of group) member.within(continueUnseen);
}

/**
 * End a stop of our making. SIGCONT works when it is sent; its handler in the process need not run. None can have been
 * pending before: SIGSTOP discards it, signal(7).
 */
export function continueUnseen(remote: RemoteSyscalls): void {
  kill(remote.tracee.pid, SIGCONT);
  discardPending(remote, SIGCONT);
}

/** A job that the user had stopped runs on the new terminal, as after `fg`. */
function continueFoundStopped({ target, members, alone }: Job): void {
  if (!target.tracee.foundStopped) return;
  for (const { tracee, stat } of alone ? [target] : members) {
    if (stat.pgrp === target.stat.pgrp && tracee.foundStopped) kill(tracee.pid, SIGCONT);
  }
}

/** Those who stay are in `group` now: the keyboard of the old terminal goes on being theirs. */
function leaveForeground(
  { member, oldControlling }: Mover,
  group: bigint,
  undo: DisposableStack,
): void {
  const fd = oldControlling!;
  const before = member.within((remote) => {
    const before = remote.syscallOrThrow("getpgid", 0);
    const data = new Uint8Array(new Int32Array([Number(before)]).buffer);
    remote.undoIfKilled("ioctl", [fd, TIOCSPGRP, DATA], { data });
    setForeground(remote, fd, group);
    return before;
  });
  undo.defer(() => member.undo((remote) => setForeground(remote, fd, before)));
}

/** Take a helper out of the target's group; the number, in its PID namespace, of the one it is in then. */
function regroup(
  remote: RemoteSyscalls,
  member: Member,
  group: bigint | undefined,
  undo: DisposableStack,
): bigint {
  const before = remote.syscallOrThrow("getpgid", 0);
  remote.undoIfKilled("setpgid", [0, before]);
  undo.defer(() => member.undo((remote) => remote.syscall("setpgid", 0, before)));
  return leaveGroup(remote, group);
}

function swap(
  remote: RemoteSyscalls,
  { member, plan, given, old }: Mover,
  undo: DisposableStack,
): void {
  if (plan.descriptions.length === 0) return;
  const replacements = given.slice(0, plan.descriptions.length);
  swapDescriptors(remote, plan, replacements, (fd) => member.closeLater(fd));
  undo.defer(() => member.swapBack(plan, old));
  const numbers = plan.descriptions.flatMap(({ descriptors }) => descriptors.map(({ fd }) => fd));
  verbose(`Moved descriptors ${numbers.join(", ")} of process ${member.pid}`);
}

/** The target, and all that hear of it when it gives up its terminal, are not to. What ends that is also on `undo`. */
function muteHangups({ target, members }: Job, undo: DisposableStack): DisposableStack {
  const unmute = undo.use(new DisposableStack());
  for (const member of members) {
    if (member !== target && !isHungUp(member, target)) continue;
    const end = member.within((remote) => muteHangup(remote, member.status));
    unmute.defer(() => member.undo(end));
  }
  return unmute;
}

/** Whether a session leader that gives up its terminal, as the target does, makes the kernel hang up `member`. */
function isHungUp({ stat }: Member, { stat: leader }: Member): boolean {
  return leader.session === leader.pid && leader.ttyNr !== 0 && stat.pgrp === leader.tpgid;
}

/** Shields against the SIGHUP of the shell of the job, if it has one. */
class Shields {
  readonly raised: SighupShield[] = [];

  constructor(readonly shell: number | undefined, readonly undo: DisposableStack) {}

  /**
   * For a process whose group has the number that the shell knows the job by; and for one whose group is orphaned
   * when the shell ends: if it is stopped just then, the kernel hangs it up, kill_orphaned_pgrp() in kernel/exit.c.
   */
  raise(remote: RemoteSyscalls, member: Member): void {
    if (this.shell === undefined || (pendingSignals(member) & SIGHUP_BIT) !== 0n) return;
    const shield = SighupShield.raise(remote, this.shell);
    if (shield === undefined) return;
    this.raised.push(shield);
    this.undo.defer(() => member.undo((remote) => shield.undo(remote)));
  }
}

const SIGHUP_BIT = 1n << BigInt(SIGHUP - 1);

/** Bit N - 1: signal N. */
function pendingSignals({ status }: Member): bigint {
  return status.sigPending | status.sharedPending;
}
