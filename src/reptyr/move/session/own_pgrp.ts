/** The processes that a target leaves behind in its session: a group of their own, and their terminal. */
import { type Pgrp, type RemoteFd, toPgrp } from "../../../brands.ts";
import { TIOCSPGRP } from "../../../ffi/constants.ts";
import { DATA, type RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { retrySyscall } from "../../../tracee/retry_syscall.ts";
import { interleave, runToCompletion, type Steps } from "../../../tracee/steps.ts";
import type { Job } from "../job/job.ts";
import type { Member } from "../job/member.ts";
import { isRelayed, leadsGroup } from "../job/roles.ts";
import { putZombiesOut } from "../job/zombies.ts";
import { undoByCall } from "../undo/undo_call.ts";
import { isForeground } from "./old_shell.ts";
import { formGroup, joinGroup, pushReturnToPgrp, setForeground } from "./session.ts";

/**
 * Take the relayed members out of the target's group, into one of their own. Returns its number, in the PID namespace of the
 * member that formed it last: members in another namespace form another. `undefined` when there is no relayed member.
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

/** Those who stay are in `group` now: the keyboard of the old terminal goes on being theirs. */
function leaveForeground(
  member: Member,
  fd: RemoteFd,
  group: Pgrp,
  undo: DisposableStack,
): void {
  const before = member.withRemote((remote) => {
    const before = toPgrp(remote.syscallOrThrow("getpgid", 0));
    const data = new Uint8Array(new Int32Array([before]).buffer);
    remote.pushUndoFrame("ioctl", [fd, TIOCSPGRP, DATA], { data });
    setForeground(remote, fd, group);
    return before;
  });
  undo.defer(() => member.undo((remote) => retrySyscall(() => setForeground(remote, fd, before))));
}

/** The relayed members leave the target's group, and zombies are put out of it: setsid(2) refuses the leader of a group. */
export function leaveOldGroup(
  job: Job,
  oldControlling: RemoteFd | undefined,
  undo: DisposableStack,
): void {
  const { target } = job;
  const relayed = job.others.filter((member) => isRelayed(member, target));
  const group = leadsGroup(target) ? moveToOwnPgrp(relayed, undo) : undefined;
  putZombiesOut(job, undo);
  const isLeaving = job.alone && group !== undefined && isForeground(target.stat);
  if (isLeaving && oldControlling !== undefined) {
    leaveForeground(target, oldControlling, group, undo);
  }
}
