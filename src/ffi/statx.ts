/** statx(2) for what must not wait: nothing is asked of the server of a file system. */
import { AT_FDCWD, AT_NO_AUTOMOUNT, AT_STATX_DONT_SYNC } from "./constants.ts";
import { enterKernel } from "./kernel_entry.ts";
import { cString } from "./memory.ts";
import { statx } from "./structs.ts";
import { OWN_NUMBERS } from "./syscall_numbers.ts";
import { Struct } from "../struct.ts";

const FLAGS = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;

/**
 * What the kernel has at hand of the file that `path` leads to, or a negated error number. Nothing in particular is asked
 * for, by an empty mask: local file systems fill in all there is, and FUSE does not forbid that to users other than its
 * own. `path` itself is walked: it is to be one of /proc/PID/fd.
 */
export function statxAtHand(path: string): Struct<typeof statx.fields> | number {
  const found = new Struct(statx);
  const result = enterKernel(OWN_NUMBERS.statx, [AT_FDCWD, cString(path), FLAGS, 0, found.bytes]);
  return result < 0 ? result : found;
}
