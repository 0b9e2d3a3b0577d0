/** The open descriptors of a thread: /proc/PID/task/TID/fd and fdinfo. */

import { type FdInfo, parseFdinfo } from "./fdinfo.ts";
import { procFolder, readable, unlessGone } from "./gone.ts";
import { type OpenFile, readOpenFile } from "./open_file.ts";

export interface Descriptor extends Omit<OpenFile, "isFifo" | "isTold"> {
  readonly fd: number;
  /** Text of the link: `/dev/pts/3`, `/dev/pts/3 (deleted)`, `socket:[4711]`. For people only. */
  readonly link: string;
  readonly fdinfo: FdInfo;
}

/**
 * Every open descriptor of thread `tid`, in ascending order; undefined when the thread is gone. One that
 * is closed meanwhile is left out. Nothing is opened, and no server of a file system is asked.
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

/** Whether descriptor `fd` is a socket. False when it is closed, and when the kernel does not let us see. */
export function isSocket(pid: number, tid: number, fd: number): boolean {
  const link = readable(() => Deno.readLinkSync(`${procFolder(pid, tid)}/fd/${fd}`));
  return link?.startsWith("socket:[") ?? false;
}

function readDescriptor(folder: string, fd: number): Descriptor | undefined {
  const path = `${folder}/fd/${fd}`;
  const link = Deno.readLinkSync(path);
  const file = readOpenFile(path);
  if (file === undefined) return undefined;
  const fdinfo = parseFdinfo(Deno.readTextFileSync(`${folder}/fdinfo/${fd}`));
  return { fd, link, ...file, fdinfo };
}
