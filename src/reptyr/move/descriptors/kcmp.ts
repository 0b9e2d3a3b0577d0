/** What is shared in a process and between processes, by kcmp(2). */
import { KCMP_FILE, KCMP_FILES } from "../../../ffi/constants.ts";
import { kcmp } from "../../../ffi/process.ts";
import type { Order } from "./description_index.ts";

/** How the open file descriptions behind two descriptors stand to each other in the kernel's order of them. */
export function orderOfDescriptions(
  pid1: number,
  fd1: number,
  pid2: number,
  fd2: number,
): Order {
  // kcmp(2), RETURN VALUE. The fourth answer, "not equal, and no order is told", and errors have no name there.
  switch (kcmp(pid1, pid2, KCMP_FILE, fd1, fd2)) {
    case 0:
      return "same";
    case 1:
      return "before";
    case 2:
      return "after";
    default:
      return "unknown";
  }
}

/** Those of `tids` that have a descriptor table of their own, apart from that of `tid`: unshare(2). */
export function withOwnDescriptors(tid: number, tids: readonly number[]): number[] {
  return tids.filter((other) => other !== tid && kcmp(tid, other, KCMP_FILES, 0, 0) > 0);
}

/** Whether processes or threads have one descriptor table: CLONE_FILES in clone(2). */
export function sharesTable(one: number, other: number): boolean {
  return kcmp(one, other, KCMP_FILES, 0, 0) === 0;
}
