/**
 * What the members of a stopped job do to be on the new terminal. The relayed members come first and the target last,
 * because setsid(2) cannot be undone.
 *
 * Where the target leads its session, all stay in it and in their groups. Else the target alone can have a new
 * session, for setsid(2) takes no other process along: the others leave its process group and stay in the old session. A
 * terminal that is not the controlling one holds no process back that reads, writes or sets it: __tty_check_change() in
 * drivers/tty/tty_jobctrl.c.
 */
import { identityOf, type ProcessIdentity } from "../../proc/process_identity.ts";
import type { Attempt } from "./attempt.ts";
import { allOf } from "./descriptors/send_fds.ts";
import { controllingOf, type MemberMove } from "./equip.ts";
import type { Job } from "./job/job.ts";
import type { Member } from "./job/member.ts";
import { isRelayed, leadsSession } from "./job/roles.ts";
import { replaceDescriptors } from "./replace_descriptors.ts";
import { changeSession, releaseOld } from "./session/change_session.ts";
import { controllingShell, isForeground } from "./session/old_shell.ts";
import { leaveOldGroup } from "./session/own_pgrp.ts";
import { adoptShields, Shields } from "./session/shields.ts";
import { forgetShellsEnd, showStop } from "./session/show_stop.ts";
import type { SighupShield } from "./session/sighup_shield.ts";
import type { StoppedJob } from "./stop_job.ts";

/** What the change of terminals has brought about. */
export interface Switched {
  /** The shell that the target is a job of. */
  readonly shell: ProcessIdentity | undefined;
  /** Whether that shell goes on waiting for what the target leaves in the foreground. */
  readonly isWaiting: boolean;
  /** To be lifted once the shell has ended: those raised now, and those that earlier moves have raised. */
  readonly shields: readonly SighupShield[];
}

/**
 * Bring the job of `stopped` to the terminal of which `moves`, the target's first, have descriptors. How to undo each step
 * is put on `undo`.
 *
 * When the target goes alone, the rest of its group keeps the old terminal as it is, and its shell is not shown a stop for as
 * long as they are in the foreground.
 */
export function switchTerminal(
  { job, leftInPgrp, keepsSession }: StoppedJob,
  moves: readonly MemberMove[],
  { facts, otherRecords }: Pick<Attempt, "facts" | "otherRecords">,
  undo: DisposableStack,
): Switched {
  const { target } = job;
  const shell = shellOf(job);
  const isWaiting = leftInPgrp.length > 0 && isForeground(target.stat) &&
    !target.tracee.wasJobStopped;
  const shellsEnd = shell === undefined || isWaiting ? undefined : showStop(job, shell, undo);
  const shields = new Shields(shell === undefined ? undefined : identityOf(shell), undo);
  const adopted = adoptShields(job, otherRecords);

  const targetMove = moveOf(target, moves);
  if (!keepsSession) leaveOldGroup(job, targetMove.oldControlling, undo);
  // What can be undone comes first: a new session cannot, and closing its terminal sends SIGHUP.
  const oldControlling = replaceDescriptors(job, moves, { keepsSession, shields }, undo);
  const { given } = targetMove;
  for (const fd of allOf({ ...given, replacements: [] })) target.closeLater(fd);
  if (!keepsSession) {
    changeSession(job, { oldFd: oldControlling, fd: controllingOf(targetMove) }, undo);
  }
  for (const { member, old } of job.alone || facts.bystanders.length > 0 ? [] : moves) {
    if (isRelayed(member, target) && leadsSession(member)) releaseOld(job, member, old, undo);
  }
  forgetShellsEnd(job, shellsEnd);
  return {
    shell: shields.shell,
    isWaiting,
    shields: [...adopted, ...shields.raised],
  };
}

function shellOf({ alone, target, members }: Job): number | undefined {
  const stats = alone ? [target.stat] : members.map(({ stat }) => stat);
  return controllingShell(stats.filter(({ pgrp }) => pgrp === target.stat.pgrp));
}

function moveOf(member: Member, moves: readonly MemberMove[]): MemberMove {
  const move = moves.find((move) => move.member === member);
  if (move === undefined) throw new Error(`Process ${member.pid} was given nothing`);
  return move;
}
