/** Who holds the masters of pseudoterminals: the links in /proc/PID/fd, and `tty-index` in fdinfo. */
import { parseFdinfo } from "./fdinfo.ts";
import { procFolder, unlessGone } from "./gone.ts";
import { listPids } from "./tasks.ts";
import { throughThread } from "./threads.ts";

/** A process with descriptors on masters of one index. */
export interface MasterHolder {
  readonly pid: number;
  /** A thread that runs: `pid`, unless the first thread has exited before the others. */
  readonly tid: number;
  /** Ascending. */
  readonly fds: readonly number[];
}

export interface MasterSearch {
  readonly holders: readonly MasterHolder[];
  /** How many processes the kernel does not let us look into. */
  readonly hidden: number;
}

/** Text of the link to a master, however devpts is mounted: `/dev/ptmx`, `/dev/pts/ptmx`, `/ptmx`. */
const MASTER_LINK = /(^|\/)ptmx( \(deleted\))?$/;

/**
 * All processes but this one that hold a master whose slave is `/dev/pts/INDEX`. Every instance of devpts, and so
 * every container, counts from 0: it may be the master of another terminal of that number.
 */
export function findMasterHolders(index: number): MasterSearch {
  let hidden = 0;
  const holders = listPids().filter((pid) => pid !== Deno.pid).flatMap((pid): MasterHolder[] => {
    try {
      const holder = unlessGone(() => holderOf(pid, index));
      return holder === undefined || holder.fds.length === 0 ? [] : [holder];
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      hidden++;
      return [];
    }
  });
  return { holders, hidden };
}

function holderOf(pid: number, index: number): MasterHolder | undefined {
  return throughThread(pid, (tid) => {
    const folder = procFolder(pid, tid);
    const fds = Array.from(Deno.readDirSync(`${folder}/fd`), ({ name }) => Number(name))
      .filter((fd) => unlessGone(() => isMasterOf(folder, fd, index)) ?? false)
      .sort((a, b) => a - b);
    return { pid, tid, fds };
  });
}

function isMasterOf(folder: string, fd: number, index: number): boolean {
  return MASTER_LINK.test(Deno.readLinkSync(`${folder}/fd/${fd}`)) &&
    parseFdinfo(Deno.readTextFileSync(`${folder}/fdinfo/${fd}`)).ttyIndex === index;
}
