/** What to do with the descriptors of a job, decided from what /proc shows of them. Pure. */
import { type RemoteFd, remoteFd } from "../../../brands.ts";
import { O_ASYNC, O_CLOEXEC, O_NONBLOCK, O_RDWR } from "../../../ffi/constants.ts";
import { decodeDevice, decodeKernelDevice } from "../../../proc/device.ts";
import type { Descriptor } from "../../../proc/fds.ts";
import { type Compare, DescriptionIndex } from "./description_index.ts";

/**
 * What /proc/PID/fdinfo shows and open(2) is not to be given: close-on-exec belongs to the descriptor,
 * and O_ASYNC without F_SETOWN notifies nobody.
 */
const NOT_OPENED_WITH = O_CLOEXEC | O_ASYNC;

/** One descriptor that is to stand for the new terminal. */
export interface MovedDescriptor {
  readonly fd: RemoteFd;
  /** Of the descriptor, not of the description: fcntl(2). */
  readonly closeOnExec: boolean;
}

/** The descriptors of one process that share an open file description of the old terminal. */
export interface MovedDescription {
  /** Which of the new descriptions takes its place: an index in `JobPlan.flags`. */
  readonly index: number;
  /** At least one. */
  readonly descriptors: readonly MovedDescriptor[];
  /** There is no description to be replaced: nothing is open under these numbers. */
  readonly wasClosed: boolean;
}

/** An interest of an epoll instance in a descriptor of the old terminal: epoll_ctl(2). */
export interface Registration {
  readonly epollFd: RemoteFd;
  readonly fd: RemoteFd;
  readonly events: number;
  readonly data: bigint;
}

/** What is to be done in one process. */
export interface MovePlan {
  readonly descriptions: readonly MovedDescription[];
  readonly registrations: readonly Registration[];
}

/** What is to be done in all processes of a job. */
export interface JobPlan {
  /** For each new open file description, the O_* bits to open it with. */
  readonly flags: readonly number[];
  /** In the order of the members. */
  readonly moves: readonly MovePlan[];
}

/** A process of the job: all its descriptors, and those numbers among them that are on the old terminal. */
export interface PlannedProcess {
  readonly pid: number;
  readonly fds: readonly Descriptor[];
  readonly moving: readonly number[];
  /** Numbers that are to be on the new terminal whatever they are now, or nothing. */
  readonly forced?: readonly number[];
}

/**
 * A new description stands for each old one, shared by all who shared that, in one process or several. Where the old
 * one was no terminal's, the new one is open for reading and writing, as a login's is: a pipe was open for one of them.
 */
export function planJob(processes: readonly PlannedProcess[], compare: Compare): JobPlan {
  const flags: number[] = [];
  const known = new DescriptionIndex<number>(compare);
  const moves = processes.map(({ pid, fds, moving, forced = [] }): MovePlan => {
    const onTerminal = new Set(moving);
    const moved = fds.filter(({ fd }) => onTerminal.has(fd) || forced.includes(fd));
    const closed = forced.filter((number) => !fds.some(({ fd }) => fd === number));
    const descriptions = new Map<number, MovedDescriptor[]>();
    for (const { fd, fdinfo } of moved) {
      const open = onTerminal.has(fd)
        ? fdinfo.flags & ~NOT_OPENED_WITH
        : O_RDWR | fdinfo.flags & O_NONBLOCK;
      const index = known.get(pid, fd, () => flags.push(open) - 1);
      const descriptors = descriptions.get(index) ?? [];
      descriptors.push({ fd: remoteFd(fd), closeOnExec: (fdinfo.flags & O_CLOEXEC) !== 0 });
      descriptions.set(index, descriptors);
    }
    const replaced = Array.from(descriptions, ([index, descriptors]): MovedDescription => ({
      index,
      descriptors,
      wasClosed: false,
    }));
    const opened = closed.length === 0 ? [] : [{
      index: flags.push(O_RDWR) - 1,
      descriptors: closed.map((fd) => ({ fd: remoteFd(fd), closeOnExec: false })),
      wasClosed: true,
    }];
    return {
      descriptions: [...replaced, ...opened],
      registrations: registrationsOf(fds, moved),
    };
  });
  return { flags, moves };
}

/**
 * The same epoll instance may be open under several descriptors, and each shows the same interests:
 * taking one out a second time answers ENOENT, which is no failure then.
 */
function registrationsOf(
  all: readonly Descriptor[],
  moved: readonly Descriptor[],
): Registration[] {
  const byNumber = new Map(moved.map((descriptor) => [descriptor.fd, descriptor]));
  return all.flatMap((epoll) =>
    epoll.fdinfo.epoll
      .filter((entry) => {
        const descriptor = byNumber.get(entry.tfd);
        return descriptor !== undefined && isSameFile(entry, descriptor);
      })
      .map(({ tfd, events, data }) => ({
        epollFd: remoteFd(epoll.fd),
        fd: remoteFd(tfd),
        events,
        data,
      }))
  );
}

/** Whether an interest under this number is really one in this file; older kernels do not tell. */
function isSameFile(
  entry: Descriptor["fdinfo"]["epoll"][number],
  descriptor: Descriptor,
): boolean {
  if (entry.ino === undefined || entry.sdev === undefined) return true;
  const there = decodeKernelDevice(entry.sdev);
  const here = decodeDevice(descriptor.dev);
  return entry.ino === descriptor.ino && there.major === here.major && there.minor === here.minor;
}
