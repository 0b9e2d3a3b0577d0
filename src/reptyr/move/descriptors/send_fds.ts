/**
 * Giving descriptors of ours to the target. Never by path: its mount namespace may have another
 * /dev/pts, its user may not be allowed to open the file. Instead: a socketpair in the target, one
 * end fetched from there by pidfd_getfd(2), the descriptors sent through it by SCM_RIGHTS, unix(7).
 */
import { type OurFd, ourFd, plus, type RemoteFd, remoteFd } from "../../../brands.ts";
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  O_CLOEXEC,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
} from "../../../ffi/constants.ts";
import { close } from "../../../ffi/descriptor.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import { pidfdGetfd } from "../../../ffi/process.ts";
import { orThrow } from "../../../ffi/raw.ts";
import { sendDescriptors } from "../../../ffi/socket.ts";
import { type Descriptor, readFds } from "../../../proc/fds.ts";
import { Struct } from "../../../struct.ts";
import type { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { retrySyscall } from "../../../tracee/retry_syscall.ts";
import type { Steps } from "../../../tracee/steps.ts";
import { closeAll, duplicate, FIRST_FREE, tooManyFiles } from "./remote_fd.ts";

/** SCM_MAX_FD of <net/scm.h>: more go in further messages. */
const MOST_AT_ONCE = 253;

/** Places in the scratch page. */
const PAIR = 0;
const MESSAGE = 64;
const VECTOR = 128;
const PAYLOAD = 192;
const CONTROL = 256;

/**
 * Numbers, in the target, of close-on-exec duplicates of our `descriptors`, in the same order, none of them below
 * FIRST_FREE. After a throw the target has none of them. `pidfd` stands for the target, `known` are descriptors that it
 * has, if they are all that it has.
 */
export function* sendFds(
  remote: RemoteSyscalls,
  pidfd: OurFd,
  descriptors: readonly OurFd[],
  known: readonly Descriptor[] = [],
): Steps<RemoteFd[]> {
  using cleanup = new DisposableStack();
  const pair = plus(yield* remote.mapScratch(), PAIR);
  const made = yield* remote.call("socketpair", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair);
  if (made === BigInt(-ERRNO.EMFILE)) throw tooManyFiles(remote.tracee.pid);
  remote.check(made, "socketpair(AF_UNIX, SOCK_DGRAM)");
  const [theirs, ours] = readPair(remote, known);
  if (theirs === undefined || ours === undefined) throw new Error("A socket pair has two ends");
  const ends = [theirs, ours];
  cleanup.defer(() => ends.forEach((end) => remote.syscall("close", end)));
  for (const end of ends) remote.pushUndoFrame("close", [end]);
  const socket = ourFd(orThrow(pidfdGetfd(pidfd, ours), `pidfd_getfd(${pidfd}, ${ours})`));
  cleanup.defer(() => close(socket));

  using undo = new DisposableStack();
  const received: RemoteFd[] = [];
  undo.defer(() => received.forEach((fd) => remote.syscall("close", fd)));
  for (let start = 0; start < descriptors.length; start += MOST_AT_ONCE) {
    const some = descriptors.slice(start, start + MOST_AT_ONCE);
    orThrow(sendDescriptors(socket, some), `sendmsg(${socket}, SCM_RIGHTS)`);
    const arrived = yield* receive(remote, theirs, some.length);
    received.push(...arrived);
    for (const fd of arrived) remote.pushUndoFrame("close", [fd]);
  }
  if (received.length < descriptors.length) {
    throw tooManyFiles(remote.tracee.pid);
  }
  for (const [index, fd] of received.entries()) {
    if (fd >= FIRST_FREE) continue;
    received[index] = yield* duplicate(remote, fd);
    yield* remote.call("close", fd);
  }
  yield* closeAll(remote, ends);
  ends.length = 0;
  undo.move();
  return received;
}

/** Descriptors of ours for a process, each by what it is for. */
export interface FdsToSend {
  /** One for each description of the process' plan, in that order. */
  readonly replacements: readonly OurFd[];
  /** On the new terminal, and readable: to make that the controlling one. */
  readonly controlling?: OurFd | undefined;
  /** On the controlling terminal that the process has, where it has no descriptor for that itself. */
  readonly oldControlling?: OurFd | undefined;
}

/** Numbers in the process of what it was sent. */
export interface ReceivedFds {
  readonly replacements: readonly RemoteFd[];
  readonly controlling: RemoteFd | undefined;
  readonly oldControlling: RemoteFd | undefined;
}

/** How many descriptors that are. */
export function countOf({ replacements, controlling, oldControlling }: FdsToSend): number {
  return replacements.length +
    [controlling, oldControlling].filter((fd) => fd !== undefined).length;
}

/** All descriptors of `received`. */
export function allOf({ replacements, controlling, oldControlling }: ReceivedFds): RemoteFd[] {
  return [...replacements, controlling, oldControlling].filter((fd) => fd !== undefined);
}

/** {@linkcode sendFds} of what is to be sent for different purposes. */
export function* sendNamedFds(
  remote: RemoteSyscalls,
  pidfd: OurFd,
  { replacements, controlling, oldControlling }: FdsToSend,
  known: readonly Descriptor[],
): Steps<ReceivedFds> {
  const all = [...replacements, controlling, oldControlling].filter((fd) => fd !== undefined);
  const received = yield* sendFds(remote, pidfd, all, known);
  const others = received.slice(replacements.length);
  return {
    replacements: received.slice(0, replacements.length),
    controlling: controlling === undefined ? undefined : others.shift(),
    oldControlling: oldControlling === undefined ? undefined : others.shift(),
  };
}

/**
 * The numbers of the sockets that have just been opened. When they cannot be read, the sockets are closed: they are the
 * two that are not `known`.
 */
function readPair(remote: RemoteSyscalls, known: readonly Descriptor[]): RemoteFd[] {
  try {
    return readFdNumbers(retrySyscall(() => remote.read(8, PAIR)));
  } catch (error) {
    const { pid, mainTid } = remote.tracee;
    const before = new Set(known.map(({ fd }) => fd));
    const opened = (readFds(pid, mainTid) ?? []).filter(({ fd, link, fdinfo }) =>
      !before.has(fd) && link.startsWith("socket:") && (fdinfo.flags & O_CLOEXEC) !== 0
    );
    // Others may share its descriptors, and open some of their own.
    if (opened.length === 2) { for (const { fd } of opened) remote.syscall("close", fd); }
    throw error;
  }
}

/** recvmsg(2) in the target: the descriptors that came, at most `count`. */
function* receive(remote: RemoteSyscalls, socket: RemoteFd, count: number): Steps<RemoteFd[]> {
  const { iovec, msghdr, cmsghdr } = remote.tracee.arch.structs;
  const controlSize = cmsghdr.size + 4 * count;
  const vector = new Struct(iovec)
    .set("iov_base", plus(remote.scratch, PAYLOAD))
    .set("iov_len", 1n);
  const message = new Struct(msghdr)
    .set("msg_iov", remote.write(vector.bytes, VECTOR))
    .set("msg_iovlen", 1n)
    .set("msg_control", plus(remote.scratch, CONTROL))
    .set("msg_controllen", BigInt(controlSize));
  const address = remote.write(message.bytes, MESSAGE);
  yield* remote.callOrThrow("recvmsg", socket, address, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

  const answer = new Struct(msghdr, remote.read(msghdr.size, MESSAGE));
  if (answer.get("msg_controllen") < cmsghdr.size) return [];
  const control = remote.read(controlSize, CONTROL);
  const header = new Struct(cmsghdr, control);
  if (header.get("cmsg_level") !== SOL_SOCKET || header.get("cmsg_type") !== SCM_RIGHTS) return [];
  const truncated = (Number(answer.get("msg_flags")) & MSG_CTRUNC) !== 0;
  const length = truncated ? Number(header.get("cmsg_len")) : controlSize;
  return readFdNumbers(control.subarray(cmsghdr.size, length));
}

function readFdNumbers(bytes: Uint8Array): RemoteFd[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from(
    { length: bytes.length >> 2 },
    (_, index) => remoteFd(view.getInt32(index * 4, true)),
  );
}
