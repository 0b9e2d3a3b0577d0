/** What must not be mixed up is told apart by `deno check`: a line below that passes it fails it. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type OurAddress,
  type OurFd,
  ourFd,
  type Pgrp,
  plus,
  type RemoteAddress,
  remoteAddress,
  type RemoteFd,
  remoteFd,
  toPgrp,
} from "../../src/brands.ts";
import type * as Descriptor from "../../src/ffi/descriptor.ts";
import type * as Process from "../../src/ffi/process.ts";
import type { Member } from "../../src/reptyr/move/job/member.ts";
import type * as SendFds from "../../src/reptyr/move/descriptors/send_fds.ts";
import type * as RemoteFds from "../../src/reptyr/move/descriptors/remote_fd.ts";
import type * as ReplaceFds from "../../src/reptyr/move/descriptors/replace_fds.ts";
import type { MovePlan } from "../../src/reptyr/move/descriptors/plan.ts";
import type * as Session from "../../src/reptyr/move/session/session.ts";
import type * as RemoteMemory from "../../src/tracee/remote_memory.ts";
import type { RemoteSyscalls } from "../../src/tracee/remote_syscalls.ts";

interface Library {
  readonly descriptor: typeof Descriptor;
  readonly process: typeof Process;
  readonly sendFds: typeof SendFds.sendFds;
  readonly remoteFds: typeof RemoteFds;
  readonly swapDescriptors: typeof ReplaceFds.swapDescriptors;
  readonly session: typeof Session;
  readonly memory: typeof RemoteMemory;
  readonly remote: RemoteSyscalls;
  readonly member: Member;
  readonly plan: MovePlan;
}

interface Numbers {
  readonly ours: OurFd;
  readonly theirs: RemoteFd;
  readonly here: OurAddress;
  readonly there: RemoteAddress;
  readonly group: Pgrp;
}

/** Never called: its types are all that matters. */
export function accepted(library: Library, { ours, theirs, there, group }: Numbers): void {
  const { descriptor, process, sendFds, session, memory, remote, member } = library;
  descriptor.close(ours);
  process.pidfdGetfd(ours, theirs);
  sendFds(remote, ours, [ours]);
  remote.syscall("close", theirs);
  remote.syscall("epoll_ctl", theirs, 1, theirs, there);
  remote.pushUndoFrame("close", [theirs]);
  memory.readMemory(1, there, 8);
  member.closeLater(theirs);
  session.setForeground(remote, theirs, group);
}

/** Never called, too. Each line but the first mixes one kind up with another. */
export function refused(library: Library, { ours, theirs, here, there, group }: Numbers): void {
  const { descriptor, process, sendFds, remoteFds, session, memory, remote, member } = library;
  // @ts-expect-error: our close(2) of a descriptor of the tracee
  descriptor.close(theirs);
  // @ts-expect-error: our ioctl(2) on a descriptor of the tracee
  descriptor.ioctl(theirs, 0);
  // @ts-expect-error: the pidfd is ours, and the descriptor is the tracee's
  process.pidfdGetfd(theirs, ours);
  // @ts-expect-error: what is sent is ours
  sendFds(remote, ours, [theirs]);
  // @ts-expect-error: a number of no kind is not known to be ours
  sendFds(remote, ours, [7]);
  // @ts-expect-error: the tracee's close(2) of a descriptor of ours
  remote.syscall("close", ours);
  // @ts-expect-error: the same in steps
  remote.call("dup3", ours, 0, 0);
  // @ts-expect-error: the same as an undo frame
  remote.pushUndoFrame("close", [ours]);
  // @ts-expect-error: an address of ours means nothing to the tracee
  remote.syscall("epoll_ctl", theirs, 1, theirs, here);
  // @ts-expect-error: nor is it one of the tracee's memory
  memory.readMemory(1, here, 8);
  // @ts-expect-error: the tracee closes its own descriptors
  member.closeLater(ours);
  // @ts-expect-error: the tracee duplicates its own descriptors
  remoteFds.duplicate(remote, ours);
  // @ts-expect-error: what replaces a descriptor is the tracee's
  library.swapDescriptors(remote, library.plan, [ours], () => {});
  // @ts-expect-error: a group of our own PID namespace is not known to be one of the tracee's
  session.joinGroup(remote, 42);
  // @ts-expect-error: a descriptor is no group
  session.setForeground(remote, theirs, theirs);
  // @ts-expect-error: a group is no descriptor
  member.closeLater(group);
  // @ts-expect-error: an address is no descriptor
  member.closeLater(there);
}

describe("branded numbers", () => {
  it("are plain numbers at run time", () => {
    assertEquals<number[]>([ourFd(3), remoteFd(4), remoteFd(5n), toPgrp(6n)], [3, 4, 5, 6]);
    assertEquals<bigint>(plus(remoteAddress(0x1000n), 16), 0x1010n);
  });
});
