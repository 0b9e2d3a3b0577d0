/** The settings of a terminal: tcgetattr(3), tcsetattr(3). */
import { TCGETS2, TCSETS2 } from "../ffi/constants.ts";
import { ioctlGet, ioctlStruct } from "../ffi/descriptor.ts";
import { orThrow } from "../ffi/raw.ts";
import { termios2 } from "../ffi/structs.ts";
import { Struct } from "../struct.ts";
import type { Termios } from "./settings.ts";

/** The settings of the terminal behind `fd`. Throws SyscallError: EIO once it was hung up. */
export function getTermios(fd: number): Termios {
  return ioctlGet(fd, TCGETS2, termios2, `ioctl(${fd}, TCGETS2)`);
}

/** The same; undefined for a terminal that is gone. */
export function tryGetTermios(fd: number): Termios | undefined {
  const settings: Termios = new Struct(termios2);
  return ioctlStruct(fd, TCGETS2, settings) < 0 ? undefined : settings;
}

/** Change the settings at once (TCSANOW): typed and unread characters stay. Throws SyscallError. */
export function setTermios(fd: number, settings: Termios): void {
  orThrow(ioctlStruct(fd, TCSETS2, settings), `ioctl(${fd}, TCSETS2)`);
}
