/** What to do with the target's descriptors, decided from what /proc shows of them. Pure. */
import { O_ASYNC, O_CLOEXEC } from "../ffi/constants.ts";
import { decodeDevice, decodeKernelDevice } from "../proc/device.ts";
import type { Descriptor } from "../proc/fds.ts";

/**
 * What /proc/PID/fdinfo shows and open(2) is not to be given: close-on-exec belongs to the descriptor,
 * and O_ASYNC without F_SETOWN notifies nobody.
 */
const NOT_OPENED_WITH = O_CLOEXEC | O_ASYNC;

/** One descriptor that is to stand for the new terminal. */
export interface MovedDescriptor {
  readonly fd: number;
  /** Of the descriptor, not of the description: fcntl(2). */
  readonly closeOnExec: boolean;
}

/** An open file description of the old terminal, and all descriptors that share it. */
export interface MovedDescription {
  /** O_* bits to open the new one with. */
  readonly flags: number;
  /** At least one. */
  readonly descriptors: readonly MovedDescriptor[];
}

/** An interest of an epoll instance in a descriptor of the old terminal: epoll_ctl(2). */
export interface Registration {
  readonly epollFd: number;
  readonly fd: number;
  readonly events: number;
  readonly data: bigint;
}

/** What {@linkcode planMove} decides. */
export interface MovePlan {
  readonly descriptions: readonly MovedDescription[];
  readonly registrations: readonly Registration[];
}

/**
 * `all` are the target's descriptors, `moving` those numbers among them that are on the old terminal;
 * `shared` tells whether two descriptors are one open file description, kcmp(2).
 */
export function planMove(
  all: readonly Descriptor[],
  moving: readonly number[],
  shared: (fd1: number, fd2: number) => boolean,
): MovePlan {
  const moved = all.filter(({ fd }) => moving.includes(fd));
  return {
    descriptions: descriptionsOf(moved, shared),
    registrations: registrationsOf(all, moved),
  };
}

function descriptionsOf(
  moved: readonly Descriptor[],
  shared: (fd1: number, fd2: number) => boolean,
): MovedDescription[] {
  const descriptions: { flags: number; descriptors: MovedDescriptor[] }[] = [];
  for (const { fd, fdinfo } of moved) {
    const descriptor = { fd, closeOnExec: (fdinfo.flags & O_CLOEXEC) !== 0 };
    const known = descriptions.find(({ descriptors }) => shared(descriptors[0]!.fd, fd));
    if (known !== undefined) known.descriptors.push(descriptor);
    else descriptions.push({ flags: fdinfo.flags & ~NOT_OPENED_WITH, descriptors: [descriptor] });
  }
  return descriptions;
}

/**
 * The same epoll instance may be open under several descriptors, and each shows the same interests:
 * taking one out a second time answers ENOENT, which is no failure then.
 */
function registrationsOf(
  all: readonly Descriptor[],
  moved: readonly Descriptor[],
): Registration[] {
  return all.flatMap((epoll) =>
    epoll.fdinfo.epoll
      .filter((entry) =>
        moved.some((descriptor) => entry.tfd === descriptor.fd && isSameFile(entry, descriptor))
      )
      .map(({ tfd, events, data }) => ({ epollFd: epoll.fd, fd: tfd, events, data }))
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
