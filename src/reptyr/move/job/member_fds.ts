/** The descriptors of a member: those that it receives, and those that it keeps to undo with. */
import type { RemoteFd } from "../../../brands.ts";
import type { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { runToCompletion, type Steps } from "../../../tracee/steps.ts";
import type { MovePlan } from "../descriptors/plan.ts";
import { closeAll } from "../descriptors/remote_fd.ts";
import { copyOldFds, swapDescriptors } from "../descriptors/replace_fds.ts";
import {
  allOf,
  countOf,
  type FdsToSend,
  type ReceivedFds,
  sendNamedFds,
} from "../descriptors/send_fds.ts";
import type { Member } from "./member.ts";

/** Open in the process what `sent` has. */
export function* receiveFds(member: Member, sent: FdsToSend): Steps<ReceivedFds> {
  if (countOf(sent) === 0) return NOTHING;
  return yield* member.withRemoteSteps((remote) =>
    sendNamedFds(remote, member.pidfd, sent, member.fds)
  );
}

/** Close what {@linkcode receiveFds} has opened. */
export function closeReceivedFds(member: Member, received: ReceivedFds): void {
  const fds = allOf(received);
  if (fds.length > 0) member.undo((remote) => runToCompletion(closeAll(remote, fds)));
}

/** {@linkcode copyOldFds}, until what is done is to stay or has been undone. */
export function* keepOldFds(
  member: Member,
  remote: RemoteSyscalls,
  plan: MovePlan,
): Steps<(RemoteFd | undefined)[]> {
  return yield* copyOldFds(remote, plan, (fd) => member.keepToUndo(fd));
}

/** Undo a swap with what {@linkcode keepOldFds} kept. */
export function swapBack(
  member: Member,
  plan: MovePlan,
  old: readonly (RemoteFd | undefined)[],
): void {
  member.undo((remote) => {
    const current = runToCompletion(copyOldFds(remote, plan, (fd) => member.closeLater(fd)));
    runToCompletion(swapDescriptors(remote, plan, old, current));
    member.stopKeeping(old);
  });
}

const NOTHING: ReceivedFds = {
  replacements: [],
  controlling: undefined,
  oldControlling: undefined,
};
