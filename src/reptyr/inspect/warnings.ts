/** What a user should know about a target that can be moved all the same, and in what words. Pure. */

import type { LoginSession } from "../../proc/cgroup.ts";
import type { Kinship } from "./filter/shared_filter.ts";
import { listed, type NamedProcess } from "./refusals.ts";

export interface SleepingThread {
  readonly pid: number;
  readonly tid: number;
  /** The kernel function that it sleeps in; empty where the kernel does not tell. */
  readonly where: string;
}

export interface WarningFacts {
  readonly pid: number;
  /** Real user id of the target, and of this reptyr. */
  readonly uid: number;
  readonly selfUid: number;
  /** The target and all others of its job. */
  readonly job: readonly number[];
  /** Those of the job whose controlling terminal the target takes from them, with its own. */
  readonly bereft: readonly number[];
  /** Shells of the job, in the session that the target leaves. */
  readonly shells: readonly number[];
  /** Others of the target's process group, which are no part of the job. */
  readonly inGroup: readonly NamedProcess[];
  /** Others on the terminal of the target, which has hung up: they are no part of the job either. */
  readonly left: readonly NamedProcess[];
  /** SECCOMP_MODE_* of the target. */
  readonly seccomp: number;
  /** How it is known that its filter is ours, where it is not suspended for that. */
  readonly sharedFilter?: Kinship | undefined;
  /** The login that the target belongs to, and that of this reptyr. */
  readonly session: LoginSession | undefined;
  readonly selfSession: LoginSession | undefined;
  /** Whether what is left in the target's session is killed at logout; undefined when that is not known. */
  readonly killed: boolean | undefined;
  /** A thread of the job that nothing can stop just now. */
  readonly asleep?: SleepingThread | undefined;
}

/** The warnings, each a sentence with what to do about it. */
export function warnings(facts: WarningFacts): string[] {
  const lines = [sessionEnds, bereft, shells, bystanders, left, seccomp, asleep];
  return lines.map((line) => line(facts)).filter((line) => line !== undefined);
}

function asleep({ asleep }: WarningFacts): string | undefined {
  if (asleep === undefined) return undefined;
  const { pid, tid, where } = asleep;
  return `Thread ${tid} of process ${pid} is in uninterruptible sleep (state D` +
    `${
      where === "" ? "" : `, in ${where}`
    }): it cannot be stopped, and nothing moved, before that is over`;
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

/** How many processes are named in a line. */
const NAMED = 8;

/**
 * A session leader that gives up its terminal takes it from all of the session, TIOCNOTTY in ioctl_tty(2), and the new
 * one becomes that of the leader alone, __proc_set_tty() in drivers/tty/tty_jobctrl.c. Others get one by being born
 * after that, in no other way.
 */
function bereft({ pid, bereft }: WarningFacts): string | undefined {
  if (bereft.length === 0) return undefined;
  const more = bereft.length > NAMED ? ` and ${bereft.length - NAMED} more` : "";
  const [subject, them, they] = bereft.length === 1
    ? [`Process ${bereft[0]}`, "it", "it starts"]
    : [`Processes ${bereft.slice(0, NAMED).join(", ")}${more}`, "them", "they start"];
  return `${subject}, in the session of process ${pid}, will have no /dev/tty, which only new jobs get: ` +
    `programs that ask there for a password or a key will fail for ${them}, and for what ${they}; ` +
    `to move the terminal itself, run: reptyr -T ${pid}`;
}

/**
 * Each command of a shell gets a process group of its own, which the shell makes the foreground one of its controlling
 * terminal. The new one is not, and does not get one: tcsetpgrp(3).
 */
function shells({ pid, shells }: WarningFacts): string | undefined {
  const [shell] = shells;
  if (shell === undefined) return undefined;
  return `Process ${shell}, a shell below process ${pid}, will have no job control: ^C and ^Z do not reach what it ` +
    `starts from now on; to move it instead, run: reptyr ${shell}; to move the terminal itself: reptyr -T ${pid}`;
}

/** A daemon may share a group with what it starts, as atd does. Its keys and signals are not for it. */
function bystanders({ pid, inGroup }: WarningFacts): string | undefined {
  const [subject, stay, they] = subjectOf(inGroup, ["stays where it is", "stay where they are"]);
  if (subject === undefined) return undefined;
  return `${subject}, in the process group of process ${pid}, ${stay}: ${they} neither on the terminal that is ` +
    `left nor below process ${pid}`;
}

/** Once a reptyr was killed, nothing records any more which processes belonged to its job. */
function left({ left }: WarningFacts): string | undefined {
  const [subject, stay] = subjectOf(left, ["stays", "stay"]);
  const [first] = left;
  if (subject === undefined || first === undefined) return undefined;
  const it = left.length === 1 ? "it" : "the first of them";
  return `${subject}, on the same terminal, which has hung up, ${stay} there; to move ${it}, too, ` +
    `run: reptyr ${first.pid}`;
}

function subjectOf(
  processes: readonly NamedProcess[],
  [singular, plural]: readonly [string, string],
): [string?, string?, string?] {
  if (processes.length === 0) return [];
  const list = listed(processes);
  return processes.length === 1
    ? [`Process ${list}`, singular, "it is"]
    : [`Processes ${list}`, plural, "they are"];
}

function seccomp({ pid, seccomp, sharedFilter }: WarningFacts): string | undefined {
  if (seccomp === 0 || sharedFilter === "certain") return undefined;
  if (sharedFilter === "assumed") {
    return `Process ${pid} is taken to be under the same seccomp filters as this reptyr, being in the same container ` +
      "and under as many: a child of reptyr could make all calls of the move under these";
  }
  return `Process ${pid} is under seccomp: its filter is suspended for the calls of the move; ` +
    "if this reptyr is killed by SIGKILL just then, what the filter forbids is not undone, and a process whose " +
    "filter forbids rt_sigreturn(2) may end";
}
