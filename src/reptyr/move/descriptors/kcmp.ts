/** What is shared in a process and between processes, by kcmp(2). */
import { KCMP_FILE, KCMP_FILES } from "../../../ffi/constants.ts";
import { kcmp } from "../../../ffi/process.ts";

/**
 * Whether two descriptors are one open file description. On a kernel without CONFIG_KCMP none seem to be:
 * each then gets a description of its own.
 */
export function sharesDescription(pid1: number, fd1: number, pid2: number, fd2: number): boolean {
  return kcmp(pid1, pid2, KCMP_FILE, fd1, fd2) === 0;
}

/** Those of `tids` that have a descriptor table of their own, apart from that of `tid`: unshare(2). */
export function withOwnDescriptors(tid: number, tids: readonly number[]): number[] {
  return tids.filter((other) => other !== tid && kcmp(tid, other, KCMP_FILES, 0, 0) > 0);
}

/** Whether processes or threads have one descriptor table: CLONE_FILES in clone(2). */
export function sharesTable(one: number, other: number): boolean {
  return kcmp(one, other, KCMP_FILES, 0, 0) === 0;
}
