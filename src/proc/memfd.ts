/** Files of memory that a process has open: memfd_create(2). */
import { SyscallError } from "../errors.ts";
import {
  F_GET_SEALS,
  F_SEAL_GROW,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  O_CLOEXEC,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
} from "../ffi/constants.ts";
import { close, fcntl, memfdCreate, open, pread } from "../ffi/descriptor.ts";
import { parseFdinfo } from "./fdinfo.ts";
import { readable } from "./gone.ts";
import { statusLines } from "./status.ts";

/** What a file that nobody can change any more holds, and the ids of the process that made it. */
export interface Memfd {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly uid: number;
  readonly gid: number;
}

/** Seals that keep a file as it is: fcntl(2), "File Sealing". */
export const UNCHANGING = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;

/** A table of more descriptors than this is not looked through: FDSize in proc_pid_status(5). */
const MOST_DESCRIPTORS = 1 << 14;

/**
 * The file that process `pid` has made by memfd_create(`name`) and sealed, if it is no longer than its maker's may be by
 * `maxSize`. Undefined when the process is gone, where the kernel does not let us look, and for a process that has several
 * descriptors of that name, of which none is opened then.
 *
 * The name is a claim: a FIFO or a device may have the same, and a descriptor may become another between two looks. To open
 * one by /proc/PID/fd would be to open it with our privileges, though the process itself may only have its name (O_PATH in
 * open(2)). So each step asks for no more than the one before it has shown.
 */
export function readMemfd(
  pid: number,
  name: string,
  maxSize: (uid: number) => number,
): Memfd | undefined {
  const folder = `/proc/${pid}/fd`;
  const status = statusLines(readable(() => Deno.readTextFileSync(`/proc/${pid}/status`)) ?? "");
  if (Number(status.get("FDSize") ?? 0) > MOST_DESCRIPTORS) return undefined;
  const fds = readable(() => Array.from(Deno.readDirSync(folder), ({ name }) => name)) ?? [];
  const link = `/memfd:${name} (deleted)`;
  const isNamed = (fd: string) => readable(() => Deno.readLinkSync(`${folder}/${fd}`)) === link;
  const first = fds.findIndex(isNamed);
  const fd = fds[first];
  if (fd === undefined || fds.slice(first + 1).some(isNamed)) return undefined;
  return isOfMemory(`/proc/${pid}/fdinfo/${fd}`) ? readOne(`${folder}/${fd}`, maxSize) : undefined;
}

function readOne(path: string, maxSize: (uid: number) => number): Memfd | undefined {
  using opened = new DisposableStack();
  // Nothing happens to a file that is opened so, whatever it is.
  const place = tryOpen(path, O_PATH | O_CLOEXEC, opened);
  if (place === undefined || !isOfMemory(`/proc/self/fdinfo/${place}`)) return undefined;
  // All on that mount is memory: from here on it can neither wait nor do anything else.
  const fd = tryOpen(`/proc/self/fd/${place}`, O_RDONLY | O_NONBLOCK | O_CLOEXEC, opened);
  const seals = fd === undefined ? -1 : fcntl(fd, F_GET_SEALS);
  if (fd === undefined || seals < 0 || (seals & UNCHANGING) !== UNCHANGING) return undefined;
  const { isFile, size, uid, gid } = Deno.statSync(`/proc/self/fd/${fd}`);
  if (!isFile || uid === null || gid === null || size > maxSize(uid)) return undefined;
  const bytes = new Uint8Array(size);
  const count = pread(fd, bytes, 0);
  return count === size ? { bytes, uid, gid } : undefined;
}

function tryOpen(path: string, flags: number, opened: DisposableStack): number | undefined {
  try {
    const fd = open(path, flags);
    opened.defer(() => close(fd));
    return fd;
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

let mountOfMemory: number | undefined;

/**
 * Whether a file is on the mount of the kernel's own on which all of memfd_create(2) are, whatever mount namespace they
 * come from: no user can make anything else there. `path` is that of its fdinfo.
 */
export function isOfMemory(path: string): boolean {
  const mount = readable(() => parseFdinfo(Deno.readTextFileSync(path)).mntId);
  if (mount === undefined) return false;
  mountOfMemory ??= findMountOfMemory();
  return mount === mountOfMemory;
}

/** NaN, which nothing equals, where the kernel makes none. */
function findMountOfMemory(): number {
  const fd = memfdCreate("probe");
  if (fd < 0) return NaN;
  try {
    return parseFdinfo(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`)).mntId;
  } finally {
    close(fd);
  }
}
