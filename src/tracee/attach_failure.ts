/**
 * Why the kernel does not let us trace a process. It says EPERM and nothing more, so we check the same things
 * in the same order: ptrace(2) "Ptrace access mode checking", Documentation/admin-guide/LSM/Yama.rst. Pure.
 */

import { RefusedError } from "../errors.ts";
import { type Freezer, thawing } from "../proc/freezer.ts";
import { printable, shorten } from "../proc/printable.ts";
import type { Status } from "../proc/status.ts";

export interface AttachFacts {
  readonly pid: number;
  readonly command: string;
  /** A thread that still runs: the first unless it has exited. Undefined when none does. */
  readonly tid: number | undefined;
  /** Status of that thread. */
  readonly status: Status;
  /** The tracer of it, or of any thread of it. `pid` 0 when that is outside our pid namespace. */
  readonly tracer: { readonly pid: number; readonly command: string } | undefined;
  /** Owner of /proc/PID/stat: root for a process that is not dumpable, else its effective uid. */
  readonly fileOwner: number;
  /** Link text of /proc/PID/ns/user; undefined when the kernel does not let us read it. */
  readonly userNamespace: string | undefined;
  /**
   * Whether its /proc/PID/uid_map, which everyone may read, is another than ours: then its user namespace
   * is another one, too. The same map proves nothing.
   */
  readonly hasOtherIds: boolean;
  /** Label of its security module, /proc/PID/attr/current; undefined where there is none. */
  readonly label: string | undefined;
  /** The cgroup that freezes it, if one does. */
  readonly frozenBy?: Freezer | undefined;
  /** Level of kernel.yama.ptrace_scope; undefined in a kernel without Yama. */
  readonly yama: number | undefined;
  readonly self: SelfFacts;
  /** The command line to repeat with more privilege, where that is not the program's name and the PID. */
  readonly again?: string;
}

/** The same of this program. */
export interface SelfFacts {
  /** The name of this program in messages. */
  readonly program: string;
  readonly status: Status;
  readonly userNamespace: string | undefined;
  readonly label: string | undefined;
}

const CAP_SYS_PTRACE = 19n; // capabilities(7)
const CAP_SYS_ADMIN = 21n;

/** What stands in the way, with the lines that say what the user can do about it. */
interface Obstacle {
  readonly why: string;
  readonly remedies: readonly string[];
  /** Whether the kernel is sure to refuse because of it; else it is our best guess after it did. */
  readonly certain: boolean;
}

/** Whether PTRACE_SEIZE is sure to fail, so that there is no need to try. */
export function isAttachForbidden(facts: AttachFacts): boolean {
  return obstacles(facts).some(({ certain }) => certain);
}

/**
 * The error for a target that the kernel did not let us trace, or will not: the likeliest obstacle first.
 * Call it with facts read after the failure: a debugger may have come in between.
 */
export function explainAttachFailure(facts: AttachFacts): RefusedError {
  const found = obstacles(facts);
  const obstacle = found.find(({ certain }) => certain) ?? found[0] ?? lastGuess(facts);
  const name = `${facts.pid} (${shorten(facts.command, 40)})`;
  return new RefusedError(
    `Cannot attach to process ${name}: permission denied: ${obstacle.why}`,
    obstacle.remedies,
  );
}

/** The error for a process that `freezer` freezes, in words for user `uid`: it may be traced, but does nothing before it is thawed. */
export function frozen(
  { pid, command }: Pick<AttachFacts, "pid" | "command">,
  freezer: Freezer,
  uid: number,
): RefusedError {
  return new RefusedError(
    `Cannot stop process ${pid} (${shorten(command, 40)}): it is frozen, as all of cgroup ${
      printable(freezer.path)
    } is`,
    thawing(freezer, uid),
  );
}

/**
 * Whether PTRACE_SEIZE will almost surely fail for Yama's level 1, which does not hold for a target that has let
 * every process trace it (PR_SET_PTRACER in prctl(2)). A caller that is about to trace it should try all the same.
 */
export function isAttachUnlikely(facts: AttachFacts): boolean {
  return yama(facts) !== undefined && inSameNamespace(facts);
}

/**
 * Whether it is worth a second look when something forbids to trace it. Not for another user's: whatever else ends, or is
 * another after execve(2), for a moment, ids are not.
 */
export function mayBePassing(facts: AttachFacts): boolean {
  return facts.tid !== undefined && (hasCapSysPtrace(facts) || isOwnUser(facts));
}

/** Whether PTRACE_O_SUSPEND_SECCOMP is allowed: a capability, and no filter on the tracer; ptrace(2). */
export function canSuspendSeccomp({ self }: AttachFacts): boolean {
  return (self.status.capEffective >> CAP_SYS_ADMIN & 1n) === 1n && self.status.seccomp === 0;
}

/** Every obstacle that can be seen, in the order in which it is worth telling. */
function obstacles(facts: AttachFacts): Obstacle[] {
  return [
    alreadyTraced(facts),
    yama(facts),
    otherUser(facts),
    otherUserNamespace(facts),
    notDumpable(facts),
    moreCapabilities(facts),
    ownSeccomp(facts),
    otherLabel(facts),
  ].filter((obstacle) => obstacle !== undefined);
}

function alreadyTraced({ tracer }: AttachFacts): Obstacle | undefined {
  if (tracer === undefined) return undefined;
  return {
    why: `it is already traced by process ${tracer.pid} (${shorten(tracer.command, 40)})`,
    remedies: [`End process ${tracer.pid} or make it detach, then try again`],
    certain: true,
  };
}

/** Levels 1 and 2 give way to CAP_SYS_PTRACE. 3 gives way to nothing, and cannot be lowered. */
function yama(facts: AttachFacts): Obstacle | undefined {
  const level = facts.yama ?? 0;
  if (level >= 3) {
    return {
      why: `kernel.yama.ptrace_scope is ${level}: no process may be traced until the next boot`,
      remedies: ["Set kernel.yama.ptrace_scope to 0, 1 or 2 in /etc/sysctl.d and boot again"],
      certain: true,
    };
  }
  if (level === 0 || hasCapSysPtrace(facts) || !isOwnUser(facts)) return undefined;
  const lower =
    "Or allow it until the next boot: echo 0 | sudo tee /proc/sys/kernel/yama/ptrace_scope";
  return {
    why: level === 1
      ? "kernel.yama.ptrace_scope is 1: only a parent may trace a process"
      : "kernel.yama.ptrace_scope is 2: only root may trace a process",
    remedies: [asRoot(facts), lower],
    // At level 1 a process may have let everyone trace it: PR_SET_PTRACER in prctl(2). We cannot see that.
    certain: level === 2 && inSameNamespace(facts),
  };
}

function otherUser(facts: AttachFacts): Obstacle | undefined {
  if (hasCapSysPtrace(facts) || isOwnUser(facts)) return undefined;
  const [uid, euid, suid] = facts.status.uids;
  const [gid, egid, sgid] = facts.status.gids;
  const ourUid = facts.self.status.uids[0];
  const ourGid = facts.self.status.gids[0];
  let why: string;
  if (uid !== ourUid) {
    why =
      `it belongs to another user (uid ${uid}; this ${facts.self.program} runs as uid ${ourUid})`;
  } else if (euid !== ourUid || suid !== ourUid) {
    why = `it runs a set-user-ID program (uids ${uid}, ${euid}, ${suid})`;
  } else if (gid !== ourGid) {
    why =
      `it belongs to another group (gid ${gid}; this ${facts.self.program} runs as gid ${ourGid})`;
  } else {
    why = `it runs a set-group-ID program (gids ${gid}, ${egid}, ${sgid})`;
  }
  // The owner of a user namespace has all capabilities in it, whatever its uids look like from here.
  return { why, remedies: [asRoot(facts)], certain: inSameNamespace(facts) };
}

function otherUserNamespace(facts: AttachFacts): Obstacle | undefined {
  if (inSameNamespace(facts)) return undefined;
  const remedies = [
    `Run ${facts.self.program} as root outside of the container or sandbox that it or the target is in`,
  ];
  if (facts.userNamespace === undefined && !facts.hasOtherIds) {
    // No process that may not trace it can read the link, so this alone says little without CAP_SYS_PTRACE.
    if (!hasCapSysPtrace(facts)) return undefined;
    const why = "it is in another user namespace, or a security module protects it";
    return { why, remedies, certain: false };
  }
  return { why: "it is in another user namespace", remedies, certain: false };
}

function notDumpable(facts: AttachFacts): Obstacle | undefined {
  if (hasCapSysPtrace(facts)) return undefined;
  if (facts.fileOwner === facts.status.uids[1]) return undefined;
  return {
    why: "it is not dumpable: a program with privileges or secrets that forbids tracing",
    remedies: [asRoot(facts)],
    certain: inSameNamespace(facts),
  };
}

function moreCapabilities(facts: AttachFacts): Obstacle | undefined {
  if (hasCapSysPtrace(facts)) return undefined;
  if ((facts.status.capPermitted & ~facts.self.status.capPermitted) === 0n) return undefined;
  return {
    why: `it has capabilities that this ${facts.self.program} does not have`,
    remedies: [asRoot(facts)],
    certain: inSameNamespace(facts),
  };
}

function ownSeccomp(facts: AttachFacts): Obstacle | undefined {
  if (facts.self.status.seccomp === 0) return undefined;
  return {
    why:
      `a seccomp filter on this ${facts.self.program}, such as that of a container, may forbid ptrace`,
    remedies: [
      `Run ${facts.self.program} outside of the container or sandbox, or allow ptrace in it (docker run --cap-add=SYS_PTRACE)`,
    ],
    certain: false,
  };
}

function otherLabel(facts: AttachFacts): Obstacle | undefined {
  const { label, self } = facts;
  if (label === undefined || label === self.label) return undefined;
  return {
    why:
      `a security module may protect it: its label is ${label}, that of this ${facts.self.program} ${
        self.label ?? "none"
      }`,
    remedies: ["The log of the kernel (`sudo dmesg`) or of auditd says which rule forbids it"],
    certain: false,
  };
}

function lastGuess(facts: AttachFacts): Obstacle {
  if (hasCapSysPtrace(facts)) {
    return {
      why: "a security module, such as SELinux or AppArmor, may forbid it",
      remedies: ["The log of the kernel (`sudo dmesg`) or of auditd says which rule forbids it"],
      certain: false,
    };
  }
  return {
    why: "it may have made itself not dumpable, or a security module may forbid it",
    remedies: [asRoot(facts)],
    certain: false,
  };
}

function hasCapSysPtrace({ self }: AttachFacts): boolean {
  return (self.status.capEffective >> CAP_SYS_PTRACE & 1n) === 1n;
}

/**
 * PTRACE_MODE_ATTACH_REALCREDS: the target's real, effective and saved ids must all be our real id. The
 * file system ids do not count.
 */
function isOwnUser({ status, self }: AttachFacts): boolean {
  return status.uids.slice(0, 3).every((uid) => uid === self.status.uids[0]) &&
    status.gids.slice(0, 3).every((gid) => gid === self.status.gids[0]);
}

/**
 * False only where the namespaces, or their id maps, can be compared and differ, or where we have the
 * capability to see the target's and still cannot. Without it an unreadable link says no more than that
 * tracing is forbidden.
 */
function inSameNamespace(facts: AttachFacts): boolean {
  if (facts.userNamespace === undefined) return !facts.hasOtherIds && !hasCapSysPtrace(facts);
  return facts.userNamespace === facts.self.userNamespace;
}

/** Root itself, without CAP_SYS_PTRACE, is in a container: sudo would not help it. */
function asRoot(facts: AttachFacts): string {
  const { pid, self, again = `${facts.self.program} ${pid}` } = facts;
  return self.status.uids[1] === 0
    ? `Run ${facts.self.program} with the capability CAP_SYS_PTRACE (docker run --cap-add=SYS_PTRACE)`
    : `Run: sudo ${again}`;
}
