/** What is shared in a process, by kcmp(2). */
import { KCMP_FILE, KCMP_FILES } from "../ffi/constants.ts";
import { kcmp } from "../ffi/process.ts";

/**
 * Whether two descriptors of a thread's table are one open file description. On a kernel without
 * CONFIG_KCMP none seem to be: each then gets a description of its own.
 */
export function sharesDescription(tid: number): (fd1: number, fd2: number) => boolean {
  return (fd1, fd2) => kcmp(tid, tid, KCMP_FILE, fd1, fd2) === 0;
}

/** Those of `tids` that have a descriptor table of their own, apart from that of `tid`: unshare(2). */
export function withOwnDescriptors(tid: number, tids: readonly number[]): number[] {
  return tids.filter((other) => other !== tid && kcmp(tid, other, KCMP_FILES, 0, 0) > 0);
}
