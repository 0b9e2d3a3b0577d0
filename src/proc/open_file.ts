/**
 * What kind of file a descriptor is open on. The file may be on a file system that a program serves, and we
 * may have stopped that program: nothing is asked that could wait for it.
 */
import { S_IFCHR, S_IFIFO, S_IFMT, STATX_TYPE } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { statxAtHand } from "../ffi/statx.ts";
import { encodeDevice } from "./device.ts";

export interface OpenFile {
  /** Whether the kernel tells what the file is. FUSE tells other users nothing, root among them: all is 0 then. */
  readonly isTold: boolean;
  /** File system and inode, of stat(2). */
  readonly dev: number;
  readonly ino: number;
  /** Device it stands for. 0 for everything that is no device: never take 0 for a terminal. */
  readonly rdev: number;
  /** 0 when the file has no name any more, such as a pty slave whose master was closed. */
  readonly nlink: number;
  readonly isCharDevice: boolean;
  readonly isFifo: boolean;
}

/** It is no terminal: a terminal is on a file system of the kernel's own. */
const UNTOLD: OpenFile = {
  isTold: false,
  dev: 0,
  ino: 0,
  rdev: 0,
  nlink: 0,
  isCharDevice: false,
  isFifo: false,
};

/**
 * The file behind `path`, which is one of /proc/PID/fd; undefined when that is closed, or the process is gone. Whether we
 * may look there is not told by this: readlink(2) does.
 */
export function readOpenFile(path: string): OpenFile | undefined {
  const found = statxAtHand(path);
  if (typeof found === "number") {
    return -found === ERRNO.ENOENT || -found === ERRNO.ESRCH ? undefined : UNTOLD;
  }
  if ((found.get("stx_mask") & STATX_TYPE) === 0) return UNTOLD;
  const type = found.get("stx_mode") & S_IFMT;
  return {
    isTold: true,
    dev: encodeDevice({ major: found.get("stx_dev_major"), minor: found.get("stx_dev_minor") }),
    ino: Number(found.get("stx_ino")),
    rdev: encodeDevice({
      major: found.get("stx_rdev_major"),
      minor: found.get("stx_rdev_minor"),
    }),
    nlink: found.get("stx_nlink"),
    isCharDevice: type === S_IFCHR,
    isFifo: type === S_IFIFO,
  };
}
