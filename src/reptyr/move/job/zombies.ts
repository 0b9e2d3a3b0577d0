/**
 * Zombies in the target's process group, which keep it from setsid(2): docs/kernel-notes.md#a-zombie-keeps-its-process-group.
 * The parent of a zombie that has never called execve(2) puts it into another group. Any other zombie keeps the target
 * in its group and session, as if it were a relayed member.
 */
import { isLive, PF_FORKNOEXEC, type Stat } from "../../../proc/stat.ts";
import { readStatus } from "../../../proc/status.ts";
import { undoByCall } from "../undo/undo_call.ts";
import type { Job } from "./job.ts";
import { childrenOf } from "./newborn.ts";

/** The first that keeps the target from leaving its group, if it has to and one does. */
export function blockingZombie(job: Job): Stat | undefined {
  const { target, members } = job;
  const { pid, stat } = target;
  if (stat.session === pid || stat.pgrp !== pid) return undefined;
  return zombiesInGroup(job).find((zombie) =>
    (zombie.flags & PF_FORKNOEXEC) === 0 || !members.some(({ pid }) => pid === zombie.ppid)
  );
}

/**
 * Have the members put their zombies out of the target's group, each into one of its own. How to undo it is put on
 * `undo`. Throws RemoteSyscallError; not when there is an {@linkcode blockingZombie}, which stays.
 */
export function putZombiesOut(job: Job, undo: DisposableStack): void {
  const { target, members } = job;
  if (target.stat.session === target.pid || target.stat.pgrp !== target.pid) return;
  for (const zombie of zombiesInGroup(job)) {
    const parent = members.find(({ pid }) => pid === zombie.ppid);
    if (parent === undefined || (zombie.flags & PF_FORKNOEXEC) === 0) continue;
    // Its number in the PID namespace of its parent, which may be above its own.
    const level = parent.status.nsPid.length - 1;
    const pid = readStatus(zombie.pid)?.nsPid[level] ?? zombie.pid;
    parent.withRemote((remote) => {
      const group = remote.syscallOrThrow("getpgid", pid);
      undo.defer(() => parent.undo((remote) => undoByCall(remote, "setpgid", pid, group)));
      remote.pushUndoFrame("setpgid", [pid, group]);
      remote.syscallOrThrow("setpgid", pid, pid);
    });
  }
}

/**
 * Processes of the target's group that have ended and have not been waited for: children of members, and of the
 * shell that has them as a job. They keep the group's number in use, for which setsid(2) fails.
 */
function zombiesInGroup({ target, members }: Job): readonly Stat[] {
  const { pgrp } = target.stat;
  const group = members.filter(({ stat }) => stat.pgrp === pgrp);
  const parents = new Set(group.flatMap(({ pid, stat }) => [pid, stat.ppid]));
  return childrenOf([...parents]).filter((stat) => !isLive(stat) && stat.pgrp === pgrp);
}
