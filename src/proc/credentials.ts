/** What decides which processes a thread may act upon, and which may act upon it: credentials(7), capabilities(7). */
import { procFolder, unlessGone } from "./gone.ts";
import { readLabel } from "./label.ts";
import { type Ids, readStatus } from "./status.ts";
import { readUserNamespaces, type UserNamespace } from "./user_namespaces.ts";

export interface Credentials {
  readonly uids: Ids;
  readonly gids: Ids;
  /** Bit N is capability number N. They hold in the first of `userNamespaces`. */
  readonly capPermitted: bigint;
  readonly capEffective: bigint;
  /** Its own first, up to ours. Empty where the kernel does not let us look. */
  readonly userNamespaces: readonly UserNamespace[];
  /**
   * Owner of its files in /proc: the effective ids of a process that is dumpable, else root, proc(5). So for a process of
   * root they do not tell.
   */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** SECCOMP_MODE_*. */
  readonly seccomp: number;
  /** Of a security module, where there is one. */
  readonly label: string | undefined;
}

/** Those of thread `tid` of process `pid`; undefined when it is gone. */
export function readCredentials(pid: number, tid: number): Credentials | undefined {
  const status = readStatus(pid, tid);
  const info = unlessGone(() => Deno.statSync(`${procFolder(pid, tid)}/stat`));
  if (status === undefined || info === undefined) return undefined;
  const { uids, gids, capPermitted, capEffective, seccomp } = status;
  return {
    uids,
    gids,
    capPermitted,
    capEffective,
    userNamespaces: readUserNamespaces(pid, tid),
    owner: { uid: info.uid ?? 0, gid: info.gid ?? 0 },
    seccomp,
    label: readLabel(pid),
  };
}
