/**
 * Who reads what this program writes: the rest of a pipeline, script(1), a terminal emulator, sudo(8). To watch one of
 * these would mirror the mirror without end; and while procout waits for room in a full pipe, it holds up all that are
 * watched, also the one that is to make that room. The same holds for who serves the file system of its output: fuse(4).
 */
import { RefusedError } from "../errors.ts";
import { O_ACCMODE, O_WRONLY } from "../ffi/constants.ts";
import { close } from "../ffi/descriptor.ts";
import { pidfdGetfd, pidfdOpen } from "../ffi/process.ts";
import { decodeDevice, ptsIndex } from "../proc/device.ts";
import { parseFdinfo } from "../proc/fdinfo.ts";
import { mayBeServed, servesFiles } from "../proc/file_servers.ts";
import { procFolder, readable } from "../proc/gone.ts";
import { findMasterHolders } from "../proc/masters.ts";
import { readOpenFile } from "../proc/open_file.ts";
import { shorten } from "../proc/printable.ts";
import { livingThread } from "../proc/stat.ts";
import { listPids, listTids, readChildren } from "../proc/tasks.ts";
import { processName } from "../tracee/attach_facts.ts";
import { slaveOf } from "../tty/master.ts";

/** An open file that somebody else reads. `link` is that in /proc/PID/fd, `path` where it stands there. */
interface Written {
  readonly link: string;
  readonly path: string;
}

const PIPE = /^pipe:\[\d+\]$/;
const MASTER = /(^|\/)ptmx( \(deleted\))?$/;
const SLAVE = /\/\d+( \(deleted\))?$/;
const NAME_WIDTH = 40;

/**
 * Those of `pids`, and with `follow` of their descendants, that read what we write to our descriptors `fds`, by
 * themselves or behind others, or that may serve the file system which those are on. Nobody is stopped; a process that may not be looked into is taken for none of them.
 */
export function feedbackReaders(
  fds: readonly number[],
  pids: readonly number[],
  follow: boolean,
): ReadonlySet<number> {
  const written = fds.map((fd) => writtenOf("/proc/self", fd)).filter((one) => one !== undefined);
  const candidates = follow ? withDescendants(pids) : new Set(pids);
  // Nearly always nobody can be one, and then there is nothing to search for.
  const suspects = [...candidates].filter((pid) =>
    pid !== Deno.pid &&
    linksOf(pid).some(({ link }) =>
      PIPE.test(link) || MASTER.test(link) || written.some((one) => one.link === link)
    )
  );
  // A write to a file asks who serves it: it must not stand still then.
  const isServed = [...fds, 2].some((fd) => mayBeServed(Deno.pid, Deno.pid, fd));
  const servers = isServed ? [...candidates].filter(servesFiles) : [];
  if (suspects.length === 0 || written.length === 0) return new Set(servers);
  const readers = allReaders(written);
  return new Set([...servers, ...suspects.filter((pid) => readers.has(pid))]);
}

/** For one of `pids`, the processes asked for, that is among `readers`. */
export function refuseReaders(pids: readonly number[], readers: ReadonlySet<number>): void {
  const pid = pids.find((pid) => readers.has(pid));
  if (pid === undefined) return;
  throw new RefusedError(
    `Cannot watch process ${pid} (${nameOf(pid)}): what this procout writes passes through it`,
    [
      servesFiles(pid)
        ? "Write the mirror to a file on a file system that the process does not serve"
        : "Write the mirror to a file: procout --output=FILE",
    ],
  );
}

/** One line for those that are left out. */
export function leftOutText(readers: ReadonlySet<number>): string {
  const names = [...readers].map((pid) => `${pid} (${nameOf(pid)})`).join(", ");
  return `Not watched, as the mirror passes through: ${names}`;
}

function nameOf(pid: number): string {
  return shorten(processName(pid).command, NAME_WIDTH);
}

function allReaders(written: readonly Written[]): Set<number> {
  const readers = new Set<number>();
  const known = new Set<string>();
  const open = [...written];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (known.has(file.link)) continue;
    known.add(file.link);
    for (const pid of readersOf(file)) {
      if (readers.has(pid)) continue;
      readers.add(pid);
      open.push(...outputsOf(pid));
    }
  }
  return readers;
}

/**
 * Where a reader may pass on what it reads: its terminals by any number, but pipes as 1 and 2 only. A program that has
 * started both us and the target has pipes to the target, and what it writes there is not what it reads from us.
 */
function outputsOf(pid: number): Written[] {
  return linksOf(pid)
    .filter(({ fd, link }) => SLAVE.test(link) || (fd === 1 || fd === 2) && PIPE.test(link))
    .map(({ fd }) => writtenOf(folderOf(pid), fd))
    .filter((one) => one !== undefined);
}

/** Undefined for what nobody reads at the other end, as a file, and for what does not tell who does, as a socket. */
function writtenOf(folder: string, fd: number): Written | undefined {
  const path = `${folder}/fd/${fd}`;
  return readable(() => {
    const link = Deno.readLinkSync(path);
    const file = readOpenFile(path);
    if (file === undefined) return undefined;
    const isSlave = file.isCharDevice && ptsIndex(decodeDevice(file.rdev)) !== undefined;
    return file.isFifo || isSlave ? { link, path } : undefined;
  });
}

function readersOf(file: Written): number[] {
  const rdev = readOpenFile(file.path)?.rdev ?? 0;
  const index = ptsIndex(decodeDevice(rdev));
  if (index !== undefined) {
    return findMasterHolders(index).holders
      .filter(({ pid, fds }) => fds.some((fd) => isMasterOf(pid, fd, file)))
      .map(({ pid }) => pid);
  }
  return listPids().filter((pid) =>
    pid !== Deno.pid && linksOf(pid).some(({ fd, link }) => link === file.link && reads(pid, fd))
  );
}

/** Every instance of devpts counts from 0: whether it is the master of this very terminal. */
function isMasterOf(pid: number, fd: number, slave: Written): boolean {
  const pidfd = pidfdOpen(pid);
  if (pidfd < 0) return false;
  const master = pidfdGetfd(pidfd, fd);
  close(pidfd);
  if (master < 0) return true; // a kernel that does not hand it out: the number has to do
  try {
    const file = slaveOf(master);
    const wanted = readOpenFile(slave.path);
    return file === undefined || wanted !== undefined && file.dev === wanted.dev &&
        file.ino === wanted.ino;
  } finally {
    close(master);
  }
}

function reads(pid: number, fd: number): boolean {
  const text = readable(() => Deno.readTextFileSync(`${folderOf(pid)}/fdinfo/${fd}`));
  return text !== undefined && (parseFdinfo(text).flags & O_ACCMODE) !== O_WRONLY;
}

/** That of a thread which shows the process' descriptors. */
function folderOf(pid: number): string {
  return procFolder(pid, readable(() => livingThread(pid)));
}

function linksOf(pid: number): { readonly fd: number; readonly link: string }[] {
  const folder = `${folderOf(pid)}/fd`;
  const names = readable(() => Array.from(Deno.readDirSync(folder), ({ name }) => name)) ?? [];
  return names.flatMap((name) => {
    const link = readable(() => Deno.readLinkSync(`${folder}/${name}`));
    return link === undefined ? [] : [{ fd: Number(name), link }];
  });
}

function withDescendants(pids: readonly number[]): Set<number> {
  const all = new Set(pids);
  // A set that grows while it is gone through gives what is added, too.
  for (const pid of all) {
    for (const tid of listTids(pid) ?? []) {
      for (const child of readChildren(pid, tid)) all.add(child);
    }
  }
  return all;
}
