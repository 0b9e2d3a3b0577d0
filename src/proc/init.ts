/** The first process of this machine, and that of a PID namespace: pid_namespaces(7). */
import { readable } from "./gone.ts";
import { readStatus } from "./status.ts";

/** Its number is PROC_PID_INIT_INO of include/linux/proc_ns.h, which the kernel keeps for the namespace that it begins with. */
const FIRST_NAMESPACE = "pid:[4026531836]";

/**
 * Whether `pid` is the init of this machine. In a container number 1 is that container's own. `namespace` is the link of a
 * process' PID namespace.
 */
export function isMachineInit(pid: number, namespace = namespaceOf): boolean {
  return pid === 1 && (namespace(1) ?? namespace(Deno.pid) ?? FIRST_NAMESPACE) === FIRST_NAMESPACE;
}

/** Undefined where we may not ask, and in a kernel without namespaces. */
function namespaceOf(pid: number): string | undefined {
  return readable(() => Deno.readLinkSync(`/proc/${pid}/ns/pid`));
}

/**
 * Whether `pid` is the init of a PID namespace that a certain process lives in: the one with the numbers `nsPid`, as in
 * Status. The init of a namespace further down, which that process has made itself, is not. All processes that we see live
 * in the namespace of number 1.
 */
export function isInitAbove(pid: number, nsPid: readonly number[]): boolean {
  if (pid === 1) return true;
  const own = readable(() => readStatus(pid))?.nsPid ?? [];
  return own.at(-1) === 1 && own.length <= nsPid.length;
}
