/** Window sizes: ioctl_tty(2), TIOCGWINSZ and TIOCSWINSZ. */
import { SyscallError } from "../errors.ts";
import { TIOCGWINSZ, TIOCSWINSZ } from "../ffi/constants.ts";
import { ioctlGet, ioctlStruct } from "../ffi/descriptor.ts";
import { orThrow } from "../ffi/raw.ts";
import { winsize } from "../ffi/structs.ts";
import { Struct } from "../struct.ts";

export type WindowSize = Struct<typeof winsize.fields>;

/** The size of the terminal behind `fd`. Throws SyscallError. */
export function getWindowSize(fd: number): WindowSize {
  return ioctlGet(fd, TIOCGWINSZ, winsize, `ioctl(${fd}, TIOCGWINSZ)`);
}

/** {@linkcode getWindowSize} for when there is nothing to be done about a failure. */
export function tryGetWindowSize(fd: number): WindowSize | undefined {
  try {
    return getWindowSize(fd);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/** Whether the terminal behind `fd` is known to have that size. */
export function hasWindowSize(fd: number, size: WindowSize): boolean {
  const now = tryGetWindowSize(fd);
  return now !== undefined && sameSize(now, size);
}

/**
 * Set the size of the terminal behind `fd`; the kernel sends SIGWINCH to its foreground process group
 * when it differs from the present one. Throws SyscallError.
 */
export function setWindowSize(fd: number, size: WindowSize): void {
  orThrow(ioctlStruct(fd, TIOCSWINSZ, size), `ioctl(${fd}, TIOCSWINSZ)`);
}

/** {@linkcode setWindowSize} for when there is nothing to be done about a failure; whether it succeeded. */
export function trySetWindowSize(fd: number, size: WindowSize): boolean {
  return ioctlStruct(fd, TIOCSWINSZ, size) >= 0;
}

/** A size that differs from `size` by one row, for programs that ignore an unchanged one. */
export function oneRowOff(size: WindowSize): WindowSize {
  const rows = size.get("ws_row");
  return new Struct(winsize, size.bytes.slice()).set("ws_row", rows > 1 ? rows - 1 : rows + 1);
}

/** Whether rows and columns are the same. */
export function sameSize(a: WindowSize, b: WindowSize): boolean {
  return a.get("ws_row") === b.get("ws_row") && a.get("ws_col") === b.get("ws_col");
}
