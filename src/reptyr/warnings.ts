/** What a user should know about a target that can be moved all the same, and in what words. Pure. */

import type { LoginSession } from "../proc/cgroup.ts";

export interface WarningFacts {
  readonly pid: number;
  /** Real user id of the target, and of this reptyr. */
  readonly uid: number;
  readonly selfUid: number;
  /** The target and all others of its job. */
  readonly job: readonly number[];
  /** SECCOMP_MODE_* of the target. */
  readonly seccomp: number;
  /** The login that the target belongs to, and that of this reptyr. */
  readonly session: LoginSession | undefined;
  readonly selfSession: LoginSession | undefined;
  /** Whether what is left in the target's session is killed at logout; undefined when that is not known. */
  readonly killed: boolean | undefined;
}

/** The warnings, each a sentence with what to do about it. */
export function warnings(facts: WarningFacts): string[] {
  return [sessionEnds(facts), seccomp(facts)].filter((line) => line !== undefined);
}

/**
 * A moved process stays in the cgroup of the login it was started from. At the end of that login
 * systemd-logind stops the scope, with everything in it: KillUserProcesses in logind.conf(5).
 */
function sessionEnds(facts: WarningFacts): string | undefined {
  const { pid, session, selfSession, killed } = facts;
  if (session === undefined || session.scope === selfSession?.scope || killed === false) {
    return undefined;
  }
  const ends = killed ? "ends it at logout" : "may end it at logout";
  return `Process ${pid} stays in ${session.scope}, the login session it was started from, ` +
    `and systemd ${ends}; to keep it, run: ${moveOut(facts)}`;
}

/**
 * Neither `systemd-run --scope`, which starts a command, nor lingering, which is for the user's manager, takes
 * a process out of a scope; StartTransientUnit with PIDs in org.freedesktop.systemd1(5) does. For processes of
 * its own user the user's manager does it, too, and keeps them after the last logout if it lingers. A line in
 * cgroup.procs would go behind systemd's back, and fails where the cgroup above has controllers.
 */
function moveOut({ pid, uid, selfUid, job }: WarningFacts): string {
  const call = "call org.freedesktop.systemd1 /org/freedesktop/systemd1 " +
    "org.freedesktop.systemd1.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' " +
    `reptyr-${pid}.scope fail 1 PIDs au ${job.length} ${job.join(" ")} 0`;
  if (selfUid === 0) return `busctl ${call}`;
  if (selfUid !== uid) return `sudo busctl ${call}`;
  return `loginctl enable-linger && busctl --user ${call}`;
}

function seccomp({ pid, seccomp }: WarningFacts): string | undefined {
  if (seccomp === 0) return undefined;
  return `Process ${pid} is under seccomp: its filter is suspended while it is moved, ` +
    "and holds again as soon as it goes on";
}
