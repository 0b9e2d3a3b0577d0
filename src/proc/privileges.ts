/**
 * Whether the executable gives this program more than its user has: set-user-ID, set-group-ID, or capabilities of the file,
 * execve(2) and capabilities(7). Whatever PID is named is traced, so anyone could have the program of anyone.
 */
import { unlessGone } from "./gone.ts";
import { statusLines } from "./status.ts";

/** Why this program is not to run with the privileges that its /proc/PID/status tells of, else undefined. Pure. */
export function borrowedPrivileges(status: string): string | undefined {
  const lines = statusLines(status);
  const words = (name: string) => lines.get(name)?.split(/\s+/) ?? [];
  const ids = (name: string) => words(name).map(Number);
  for (const [kind, name, bit] of [["user", "Uid", "u-s"], ["group", "Gid", "g-s"]] as const) {
    const [real, effective] = ids(name);
    if (real === effective) continue;
    return `it is set-${kind}-ID (real ${kind} id ${real}, effective ${effective}), ` +
      `which would let anyone trace anything: chmod ${bit} it, and use sudo`;
  }
  const set = (name: string) => BigInt(`0x${words(name)[0] ?? "0"}`);
  // What is neither ambient nor inherited a program has from its file: "Transformation of capabilities during execve()".
  const fromFile = set("CapPrm") & ~(set("CapAmb") | set("CapInh"));
  if (ids("Uid")[0] === 0 || fromFile === 0n) return undefined;
  return `its file gives it capabilities (0x${fromFile.toString(16)}), ` +
    "which would let anyone trace anything: setcap -r it, and use sudo";
}

/** {@linkcode borrowedPrivileges} of this program. AT_SECURE of getauxval(3) would also tell of a security module's domain. */
export function readBorrowedPrivileges(): string | undefined {
  return borrowedPrivileges(unlessGone(() => Deno.readTextFileSync("/proc/self/status")) ?? "");
}
