/**
 * Putting the new terminal under the target's descriptor numbers.
 *
 * epoll(7) knows an interest by open file description and number: dup3() over the number would leave
 * it on the old terminal, out of reach for ever. So the interests are taken out before, and put back
 * after. A disarmed EPOLLONESHOT interest stays disarmed, but for EPOLLERR and EPOLLHUP, which epoll_ctl(2) always
 * adds: it is told of the end of the new terminal once.
 */
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, O_CLOEXEC } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { Struct } from "../struct.ts";
import type { RemoteSyscalls } from "../tracee/remote_syscalls.ts";
import type { MovedDescriptor, MovePlan, Registration } from "./plan.ts";
import { duplicate } from "./remote_descriptor.ts";

/**
 * Carry out `plan`; `replacements` are the target's descriptors for `plan.descriptions`, in the same
 * order, none of them below FIRST_FREE; `undefined` for those that are to be closed. They and all else that was opened on the way are closed at the end. After a throw all is as it
 * was, but for the replacements, which are the caller's then.
 */
export function swapDescriptors(
  remote: RemoteSyscalls,
  plan: MovePlan,
  replacements: readonly (number | undefined)[],
): void {
  using cleanup = new DisposableStack();
  using undo = new DisposableStack();

  const takenOut = plan.registrations.filter((registration) => {
    const found = takeOut(remote, registration);
    if (found) undo.defer(() => putBack(remote, registration));
    return found;
  });

  plan.descriptions.forEach(({ descriptors, wasClosed }, index) => {
    const replacement = replacements[index];
    if (replacement === undefined) {
      for (const { fd } of descriptors) remote.syscall("close", fd);
      return;
    }
    if (wasClosed) {
      for (const descriptor of descriptors) {
        undo.defer(() => remote.syscall("close", descriptor.fd));
        duplicateOver(remote, replacement, descriptor);
      }
      return;
    }
    const old = duplicate(remote, descriptors[0]!.fd);
    cleanup.defer(() => remote.syscall("close", old));
    for (const descriptor of descriptors) {
      undo.defer(() => duplicateOver(remote, old, descriptor));
      duplicateOver(remote, replacement, descriptor);
    }
  });

  for (const registration of takenOut) {
    putBack(remote, registration);
    undo.defer(() => takeOut(remote, registration));
  }
  undo.move();
  for (const replacement of replacements) {
    if (replacement !== undefined) remote.syscall("close", replacement);
  }
}

function duplicateOver(
  remote: RemoteSyscalls,
  from: number,
  { fd, closeOnExec }: MovedDescriptor,
): void {
  remote.syscallOrThrow("dup3", from, fd, closeOnExec ? O_CLOEXEC : 0);
}

/** Whether the interest was there: it is not when another descriptor of the same instance showed it. */
function takeOut(remote: RemoteSyscalls, { epollFd, fd }: Registration): boolean {
  const result = remote.syscall("epoll_ctl", epollFd, EPOLL_CTL_DEL, fd, remote.scratch);
  if (result === BigInt(-ERRNO.ENOENT)) return false;
  remote.check(result, `epoll_ctl(${epollFd}, EPOLL_CTL_DEL, ${fd})`);
  return true;
}

function putBack(remote: RemoteSyscalls, { epollFd, fd, events, data }: Registration): void {
  const event = new Struct(remote.tracee.arch.structs.epollEvent)
    .set("events", events)
    .set("data", data);
  const address = remote.write(event.bytes);
  remote.syscallOrThrow("epoll_ctl", epollFd, EPOLL_CTL_ADD, fd, address);
}
