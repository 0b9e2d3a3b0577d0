/**
 * What one process may do to another, by the kernel's rules. Whatever a process says, in a record of its own or by its
 * name, is a claim: root acts on it only as far as that process could act itself. Pure.
 *
 * The kernel asks these things about the caller of kill(2) and ptrace(2), and the caller is us. So they are asked here
 * about another process. Where that is not known the answer is no.
 */
import { CAP_KILL, CAP_SYS_PTRACE, SIGCONT } from "../../ffi/constants.ts";
import type { Credentials } from "../../proc/credentials.ts";

/** What the answers depend on besides the two processes. */
export interface Surroundings {
  /** Of this reptyr: where it lacks a capability, the kernel asks us the same questions as the other. */
  readonly self: Credentials;
  /** Level of kernel.yama.ptrace_scope; undefined in a kernel without Yama. */
  readonly yama: number | undefined;
}

/**
 * Whether what a process says can be taken as its user's word: all of its ids are the same. A program that runs
 * set-user-ID has files open that its caller has made; so has one with file capabilities, which the kernel makes not
 * dumpable. `maker` made the file that says it.
 */
export function speaksForItself(
  { uids, gids, owner }: Credentials,
  maker: { readonly uid: number; readonly gid: number },
): boolean {
  const [uid] = uids;
  const [gid] = gids;
  return uids.every((one) => one === uid) && gids.every((one) => one === gid) &&
    maker.uid === uid && maker.gid === gid &&
    (owner.uid === uid && owner.gid === gid || uid === 0);
}

/** Whether `holder` may send `signal` to `target`: kill(2). */
export function maySignal(
  holder: Credentials,
  target: Credentials,
  around: Surroundings,
  { signal, sameSession = false }: { readonly signal?: number; readonly sameSession?: boolean } =
    {},
): boolean {
  if (!isUnconfined(holder, target, around)) return false;
  const [uid, euid] = holder.uids;
  const [targetUid, , targetSaved] = target.uids;
  return [uid, euid].some((one) => one === targetUid || one === targetSaved) ||
    signal === SIGCONT && sameSession ||
    hasCapability(holder, target, CAP_KILL);
}

/** Whether `holder` may trace `target`: PTRACE_MODE_ATTACH_REALCREDS in ptrace(2), and Yama. */
export function mayTrace(holder: Credentials, target: Credentials, around: Surroundings): boolean {
  if (!isUnconfined(holder, target, around)) return false;
  if (!mayTraceAsYama(holder, target, around)) return false;
  if (!isDumpable(target, around) && !isPrivilegedHere(holder, around)) return false;
  if (hasCapability(holder, target, CAP_SYS_PTRACE)) return true;
  return hasIdsOf(holder, target) && isInNamespaceOf(holder, target) &&
    (target.capPermitted & ~holder.capPermitted) === 0n;
}

/** Whether `holder` may do all that `other` may: it has the same ids and namespace, no capability less, and no filter more. */
export function isNoLess(holder: Credentials, other: Credentials): boolean {
  return hasIdsOf(holder, other) && hasIdsOf(other, holder) && isInNamespaceOf(holder, other) &&
    (other.capEffective & ~holder.capEffective) === 0n &&
    (other.capPermitted & ~holder.capPermitted) === 0n &&
    (holder.seccomp === 0 || other.seccomp !== 0) && holder.label === other.label;
}

/** The file system ids do not count. */
function hasIdsOf({ uids: [uid], gids: [gid] }: Credentials, target: Credentials): boolean {
  return target.uids.slice(0, 3).every((one) => one === uid) &&
    target.gids.slice(0, 3).every((one) => one === gid);
}

function isInNamespaceOf(holder: Credentials, target: Credentials): boolean {
  const [own] = holder.userNamespaces;
  return own !== undefined && own.name === target.userNamespaces[0]?.name;
}

/**
 * Whether `holder` has a capability over `target`, cap_capable() in security/commoncap.c: in the user namespace of that, in
 * one above it, or as the user who has made that, or one above it, in the holder's. A root of another is not root.
 */
function hasCapability(holder: Credentials, target: Credentials, capability: number): boolean {
  const own = holder.userNamespaces[0]?.name;
  if (own === undefined) return false;
  for (const { name, parent } of target.userNamespaces) {
    if (name === own) return has(holder, capability);
    if (parent?.name === own && parent.owner === holder.uids[1]) return true;
  }
  return false;
}

function has({ capEffective }: Credentials, capability: number): boolean {
  return (capEffective >> BigInt(capability) & 1n) === 1n;
}

/**
 * A process of root shows the same owner in /proc whether it is dumpable or not. We may trace such a process without a
 * capability only if it is.
 */
function isDumpable({ uids, gids, owner }: Credentials, { self }: Surroundings): boolean {
  const isRoot = uids[1] === 0 && gids[1] === 0;
  if (isRoot) return !has(self, CAP_SYS_PTRACE);
  return owner.uid === uids[1] && owner.gid === gids[1];
}

/**
 * What is not dumpable belongs to the user namespace in which its program was started, which may be any above its own:
 * would_dump() in fs/exec.c. Ours is the highest that we know of.
 */
function isPrivilegedHere(holder: Credentials, { self }: Surroundings): boolean {
  const ours = self.userNamespaces[0]?.name;
  return ours !== undefined && holder.userNamespaces[0]?.name === ours &&
    has(holder, CAP_SYS_PTRACE);
}

/**
 * Level 1 allows a parent to trace its children, and a program to name its tracer: prctl(2),
 * PR_SET_PTRACER. Neither is looked at: a program is not below the reptyr that serves it.
 */
function mayTraceAsYama(
  holder: Credentials,
  target: Credentials,
  { self, yama = 0 }: Surroundings,
): boolean {
  if (yama === 0 || yama < 3 && !has(self, CAP_SYS_PTRACE)) return true;
  return yama < 3 && hasCapability(holder, target, CAP_SYS_PTRACE);
}

/**
 * What a seccomp filter or a security module forbids the holder cannot be known. So it is to be under none that we are not
 * under, or under the same as the target.
 */
function isUnconfined(holder: Credentials, target: Credentials, { self }: Surroundings): boolean {
  if (holder.seccomp !== 0 && self.seccomp === 0) return false;
  return holder.label === self.label || holder.label === target.label;
}
