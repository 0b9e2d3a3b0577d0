/**
 * Putting the new terminal under the target's descriptor numbers.
 *
 * epoll(7) knows an interest by open file description and number: dup3() over the number would leave
 * it on the old terminal, out of reach for ever. So the interests are taken out before, and put back
 * after. A disarmed EPOLLONESHOT interest stays disarmed, but for EPOLLERR and EPOLLHUP, which epoll_ctl(2) always
 * adds: it is told of the end of the new terminal once.
 */
import type { RemoteFd } from "../../../brands.ts";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, O_CLOEXEC } from "../../../ffi/constants.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import { Struct } from "../../../struct.ts";
import { DATA, type RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { retrySyscall } from "../../../tracee/retry_syscall.ts";
import { runToCompletion, type Steps } from "../../../tracee/steps.ts";
import type { MovedDescriptor, MovePlan, Registration } from "./plan.ts";
import { closeAll, duplicate } from "./remote_fd.ts";

/**
 * Further descriptors, in the target, of the open file descriptions that `plan` replaces, in the same order; `undefined`
 * for those that were closed. As long as they are open all can be undone, with us and without us. Each is given to `keep`
 * as soon as it is open.
 *
 * They are in the target and not in this program, for a file may be anybody's: where a program serves its file system,
 * close(2) waits for an answer.
 */
export function* copyOldFds(
  remote: RemoteSyscalls,
  { descriptions }: MovePlan,
  keep: (fd: RemoteFd) => void,
): Steps<(RemoteFd | undefined)[]> {
  const old: (RemoteFd | undefined)[] = [];
  for (const { descriptors: [first], wasClosed } of descriptions) {
    // Not undefined: a description is planned for the descriptors that it has.
    const copy = wasClosed ? undefined : yield* duplicate(remote, first!.fd);
    if (copy !== undefined) keep(copy);
    old.push(copy);
  }
  return old;
}

/**
 * Carry out `plan`; `replacements` are the target's descriptors for `plan.descriptions`, in the same
 * order, none of them below FIRST_FREE; `undefined` for those that are to be closed. The others are closed at the end.
 * `old` is what {@linkcode copyOldFds} has returned. After a throw all is as it was, but for the replacements, which are the
 * caller's then.
 */
export function* swapDescriptors(
  remote: RemoteSyscalls,
  plan: MovePlan,
  replacements: readonly (RemoteFd | undefined)[],
  old: readonly (RemoteFd | undefined)[],
): Steps<void> {
  using undo = new DisposableStack();

  const takenOut: Registration[] = [];
  for (const registration of plan.registrations) {
    const { epollFd, fd } = registration;
    const data = eventOf(remote, registration);
    remote.pushUndoFrame("epoll_ctl", [epollFd, EPOLL_CTL_ADD, fd, DATA], { data });
    if (!(yield* takeOut(remote, registration))) continue;
    takenOut.push(registration);
    undo.defer(() => retrySyscall(() => runToCompletion(putBack(remote, registration))));
  }

  for (const [index, { descriptors, wasClosed }] of plan.descriptions.entries()) {
    const replacement = replacements[index];
    if (replacement === undefined) {
      for (const { fd } of descriptors) yield* remote.call("close", fd);
      continue;
    }
    if (wasClosed) {
      for (const descriptor of descriptors) {
        undo.defer(() => remote.syscall("close", descriptor.fd));
        remote.pushUndoFrame("close", [descriptor.fd]);
        yield* duplicateOver(remote, replacement, descriptor);
      }
      continue;
    }
    // Not undefined: copyOldFds() has one for each description that was open.
    const before = old[index]!;
    for (const descriptor of descriptors) {
      undo.defer(() =>
        retrySyscall(() => runToCompletion(duplicateOver(remote, before, descriptor)))
      );
      remote.pushUndoFrame("dup3", [before, descriptor.fd, dup3Flags(descriptor)]);
      yield* duplicateOver(remote, replacement, descriptor);
    }
  }

  for (const registration of takenOut) {
    const { epollFd, fd } = registration;
    remote.pushUndoFrame("epoll_ctl", [epollFd, EPOLL_CTL_DEL, fd, remote.scratch]);
    yield* putBack(remote, registration);
    undo.defer(() => retrySyscall(() => runToCompletion(takeOut(remote, registration))));
  }
  undo.move();
  yield* closeAll(remote, replacements.filter((fd) => fd !== undefined));
}

function* duplicateOver(
  remote: RemoteSyscalls,
  from: RemoteFd,
  descriptor: MovedDescriptor,
): Steps<void> {
  yield* remote.callOrThrow("dup3", from, descriptor.fd, dup3Flags(descriptor));
}

function dup3Flags({ closeOnExec }: MovedDescriptor): number {
  return closeOnExec ? O_CLOEXEC : 0;
}

/** Whether the interest was there: it is not when another descriptor of the same instance showed it. */
function* takeOut(remote: RemoteSyscalls, { epollFd, fd }: Registration): Steps<boolean> {
  const result = yield* remote.call("epoll_ctl", epollFd, EPOLL_CTL_DEL, fd, remote.scratch);
  if (result === BigInt(-ERRNO.ENOENT)) return false;
  remote.check(result, `epoll_ctl(${epollFd}, EPOLL_CTL_DEL, ${fd})`);
  return true;
}

function* putBack(remote: RemoteSyscalls, registration: Registration): Steps<void> {
  const { epollFd, fd } = registration;
  const address = remote.write(eventOf(remote, registration));
  yield* remote.callOrThrow("epoll_ctl", epollFd, EPOLL_CTL_ADD, fd, address);
}

function eventOf({ tracee }: RemoteSyscalls, { events, data }: Registration) {
  const { epollEvent } = tracee.arch.structs;
  return new Struct(epollEvent).set("events", events).set("data", data).bytes;
}
