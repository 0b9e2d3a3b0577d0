/** The open descriptors of a thread: /proc/PID/task/TID/fd and fdinfo. */

import { type FdInfo, parseFdinfo } from "./fdinfo.ts";
import { procFolder, unlessGone } from "./gone.ts";

export interface Descriptor {
  readonly fd: number;
  /** Text of the link: `/dev/pts/3`, `/dev/pts/3 (deleted)`, `socket:[4711]`. For people only. */
  readonly link: string;
  /** File system and inode of the open file, of stat(2). */
  readonly dev: number;
  readonly ino: number;
  /** Device it stands for. 0 for everything that is no device: never take 0 for a terminal. */
  readonly rdev: number;
  /** 0 when the file has no name any more, such as a pty slave whose master was closed. */
  readonly nlink: number;
  readonly isCharDevice: boolean;
  readonly fdinfo: FdInfo;
}

/**
 * Every open descriptor of thread `tid`, in ascending order; undefined when the thread is gone. One that
 * is closed meanwhile is left out. Nothing is opened: stat() of the link reaches the open file itself.
 * Throws PermissionDenied where the kernel refuses PTRACE_MODE_READ, as for another user's process.
 */
export function readFds(pid: number, tid: number): Descriptor[] | undefined {
  const folder = procFolder(pid, tid);
  const numbers = unlessGone(() =>
    Array.from(Deno.readDirSync(`${folder}/fd`), (entry) => Number(entry.name))
  );
  return numbers
    ?.sort((a, b) => a - b)
    .map((fd) => unlessGone(() => readDescriptor(folder, fd)))
    .filter((descriptor) => descriptor !== undefined);
}

function readDescriptor(folder: string, fd: number): Descriptor {
  const path = `${folder}/fd/${fd}`;
  const link = Deno.readLinkSync(path);
  const info = Deno.statSync(path);
  return {
    fd,
    link,
    dev: info.dev,
    ino: info.ino ?? 0,
    rdev: info.rdev ?? 0,
    nlink: info.nlink ?? 0,
    isCharDevice: info.isCharDevice ?? false,
    fdinfo: parseFdinfo(Deno.readTextFileSync(`${folder}/fdinfo/${fd}`)),
  };
}
