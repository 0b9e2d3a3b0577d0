/** What the members of a job are given before they change terminals. */
import type { RemoteFd } from "../../brands.ts";
import { O_RDWR } from "../../ffi/constants.ts";
import { close } from "../../ffi/descriptor.ts";
import { interleave, type Steps } from "../../tracee/steps.ts";
import { fdsOn } from "../inspect/old_terminal.ts";
import type { Course } from "./attempt.ts";
import { orderOfDescriptions } from "./descriptors/kcmp.ts";
import { type MovePlan, planJob } from "./descriptors/plan.ts";
import { allOf, countOf, type ReceivedFds } from "./descriptors/send_fds.ts";
import type { Job } from "./job/job.ts";
import type { Member } from "./job/member.ts";
import { closeReceivedFds, keepOldFds, receiveFds } from "./job/member_fds.ts";
import { makeRoom } from "./make_room.ts";
import { descriptorOnControlling, isControlling } from "./session/controlling_tty.ts";
import { openNeeded } from "./session/old_controlling.ts";

/** A member with what it is to do, and what it has been given to do it. */
export interface MemberMove {
  readonly member: Member;
  readonly plan: MovePlan;
  /** Descriptors in the member: `plan` uses up the replacements. */
  readonly given: ReceivedFds;
  /** In the target: a descriptor on the controlling terminal that it leaves. */
  readonly oldControlling: RemoteFd | undefined;
  /** Further ones, in the member, of what they replace, to undo with; `undefined` where nothing was open. */
  readonly old: readonly (RemoteFd | undefined)[];
}

/**
 * Open the new descriptions, and give each member those that it needs; its old ones stay as they are. `afterwards` closes
 * ours once the job has been let go, `undo` takes back what the members have been given.
 */
export function equip(
  job: Job,
  { pty, options }: Pick<Course, "pty" | "options">,
  afterwards: DisposableStack,
  undo: DisposableStack,
): MemberMove[] {
  const { terminal } = job.target;
  const { flags, moves } = planJob(
    job.members.map((member) => ({
      pid: member.tracee.mainTid,
      fds: member.fds,
      moving: terminal === undefined || options.alone && member !== job.target
        ? []
        : fdsOn(terminal.identity, member.stat.ttyNr, member.fds),
      forced: options.forceStdio && member === job.target ? STANDARD : [],
    })),
    orderOfDescriptions,
  );
  const openSlave = (flags: number) => {
    const slave = pty.openSlave(flags);
    afterwards.defer(() => close(slave));
    return slave;
  };
  const slaves = flags.map(openSlave);
  // The controlling terminal is set through a descriptor of its own, which must be readable.
  const controllingSlave = openSlave(O_RDWR);
  const wishes = job.members.map((member, index) => {
    // Not undefined: planJob() answers each process in its place, and names descriptions by their place in `flags`.
    const plan = moves[index]!;
    const replacements = plan.descriptions.map(({ index }) => slaves[index]!);
    const isTarget = member === job.target;
    const oldControlling = isTarget ? descriptorOnControlling(member, terminal) : undefined;
    const opened = isTarget && oldControlling === undefined ? openNeeded(job) : undefined;
    if (opened !== undefined) afterwards.defer(() => close(opened));
    const sent = {
      replacements,
      controlling: isTarget ? controllingSlave : undefined,
      oldControlling: opened,
    };
    return { member, plan, sent, oldControlling };
  });
  makeRoom(wishes.map(({ member, plan, sent }) => ({ member, plan, wanted: countOf(sent) })));
  return interleave(wishes.map(({ member, plan, sent, oldControlling }) => {
    const receive = function* (): Steps<MemberMove> {
      const given = yield* receiveFds(member, sent);
      undo.defer(() => closeReceivedFds(member, given));
      const old = allOf(given).length === 0
        ? []
        : yield* member.withRemoteSteps((remote) => keepOldFds(member, remote, plan));
      const opened = given.oldControlling;
      const isControlled = opened !== undefined &&
        (yield* member.withRemoteSteps((remote) => isControlling(remote, member, opened)));
      const found = oldControlling ?? (isControlled ? opened : undefined);
      return { member, plan, old, given, oldControlling: found };
    };
    return receive();
  }));
}

/** Standard input, output and error. */
const STANDARD: readonly number[] = [0, 1, 2];

/** The target's descriptor on its new controlling terminal. */
export function controllingOf({ member, given: { controlling } }: MemberMove): RemoteFd {
  if (controlling === undefined) throw new Error(`Process ${member.pid} was given no terminal`);
  return controlling;
}
