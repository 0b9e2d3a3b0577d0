/** The foreground process group of a terminal: tcgetpgrp(3). */
import { TIOCGPGRP } from "../ffi/constants.ts";
import { ioctlStruct } from "../ffi/descriptor.ts";
import { getpgrp } from "../ffi/process.ts";
import { layout, Struct } from "../struct.ts";

const pidT = layout("pid_t", 4, { value: [0, "i32"] });

/**
 * The group, of our own terminal's descriptor or of the slave of a pty's master. Undefined when it has none, and for a
 * terminal that is neither. Never a number that kill(2) would take for a crowd.
 */
export function foregroundGroup(fd: number): number | undefined {
  const group = new Struct(pidT);
  if (ioctlStruct(fd, TIOCGPGRP, group) < 0) return undefined;
  const number = group.get("value");
  return number > 1 ? number : undefined;
}

/**
 * Whether we may use the terminal behind `fd` without being stopped for it: SIGTTIN, SIGTTOU. A terminal that is gone, or
 * is not our controlling one, has no foreground that we could be in, and stops no process.
 */
export function isInForeground(fd: number): boolean {
  const group = foregroundGroup(fd);
  return group === undefined || group === getpgrp();
}
