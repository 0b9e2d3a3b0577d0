/** The new terminal under the old descriptors of a job. */
import type { RemoteFd } from "../../brands.ts";
import { verbose } from "../../log.ts";
import type { RemoteSyscalls } from "../../tracee/remote_syscalls.ts";
import { interleave, type Steps } from "../../tracee/steps.ts";
import { duplicate } from "./descriptors/remote_fd.ts";
import { swapDescriptors } from "./descriptors/replace_fds.ts";
import type { MemberMove } from "./equip.ts";
import type { Job } from "./job/job.ts";
import { swapBack } from "./job/member_fds.ts";
import { isRelayed, leadsGroup } from "./job/roles.ts";
import type { Shields } from "./session/shields.ts";

/**
 * Put the new terminal under the old descriptors of all members, and raise their shields. Returns a further descriptor, in
 * the target, on the controlling terminal that it is about to leave.
 */
export function replaceDescriptors(
  { target, alone }: Job,
  moves: readonly MemberMove[],
  { keepsSession, shields }: { readonly keepsSession: boolean; readonly shields: Shields },
  undo: DisposableStack,
): RemoteFd | undefined {
  let oldFd: RemoteFd | undefined;
  interleave(moves.map((move) =>
    move.member.withRemoteSteps(function* (remote) {
      const { member, oldControlling } = move;
      if (member === target && oldControlling !== undefined && !keepsSession) {
        oldFd = yield* duplicate(remote, oldControlling);
        target.closeLater(oldFd);
      }
      const isShielded = member === target
        ? leadsGroup(target)
        : !alone && isRelayed(member, target);
      if (isShielded) yield* shields.raise(remote, member);
      yield* swap(remote, move, undo);
    })
  ));
  return oldFd;
}

function* swap(
  remote: RemoteSyscalls,
  { member, plan, given, old }: MemberMove,
  undo: DisposableStack,
): Steps<void> {
  if (plan.descriptions.length === 0) return;
  yield* swapDescriptors(remote, plan, given.replacements, old);
  undo.defer(() => swapBack(member, plan, old));
  const numbers = plan.descriptions.flatMap(({ descriptors }) => descriptors.map(({ fd }) => fd));
  verbose(`Moved descriptors ${numbers.join(", ")} of process ${member.pid}`);
}
