/** Putting another file in the place of a master, in stopped processes that hold it, in one synchronous piece. */
import type { OurFd, RemoteFd } from "../../brands.ts";
import { TraceeDiedError } from "../../errors.ts";
import { verbose } from "../../log.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import { readRuns, type Runs } from "../../proc/runs.ts";
import { runToCompletion } from "../../tracee/steps.ts";
import { Deadline, waitOut } from "../../tracee/wait.ts";
import { type MovePlan, planJob } from "../move/descriptors/plan.ts";
import { swapDescriptors } from "../move/descriptors/replace_fds.ts";
import { leaveToSigframesOnFailure } from "../move/job/failure.ts";
import type { Member } from "../move/job/member.ts";
import { closeReceivedFds, keepOldFds, receiveFds, swapBack } from "../move/job/member_fds.ts";
import { tellLeftUndone } from "../move/left_undone.ts";
import { makeRoom } from "../move/make_room.ts";
import { Holders } from "./holders.ts";

/** A process that has lost descriptors on a master. */
export interface ReplacedFds {
  readonly process: ProcessIdentity;
  readonly fds: readonly number[];
  /** How often it had run before it went on. */
  readonly runs: Runs;
}

/** One descriptor of a stopped process. */
export interface Held {
  readonly pidfd: number;
  readonly tid: number;
  readonly fd: number;
}

export interface Replacing {
  /** The processes that hold the master; their children are looked at, too. */
  readonly holders: readonly ProcessIdentity[];
  /** N of the slave's `/dev/pts/N`. */
  readonly index: number;
  /** Whether a descriptor on a master of that index is to be replaced. */
  readonly isWanted: (held: Held) => boolean;
  /** What takes its place. */
  readonly replacement: OurFd;
}

/** Replace a master in all processes that hold it; returns what each has lost. After a throw all is as it was. */
export function replace(what: Replacing, timeoutSeconds: number): ReplacedFds[] {
  using holders = waitOut(Holders.stopping(what.holders, what.index, new Deadline(timeoutSeconds)));
  const losses = replaceIn(holders, what);
  const { members } = holders;
  letGo(holders);
  tellLeftUndone(members);
  return losses;
}

/** Let the holders run on. The master is replaced by then: a throw would pass for a failure and hang the terminal up. */
export function letGo(holders: Holders): void {
  try {
    holders[Symbol.dispose]();
  } catch (error) {
    verbose(`Cannot let all go that were stopped: ${error}`);
  }
}

/** Replace a master in stopped holders; returns what each has lost. After a throw all is as it was. */
export function replaceIn(holders: Holders, what: Replacing): ReplacedFds[] {
  using undo = new DisposableStack();
  const { moves } = planJob(
    holders.members.map((member) => ({
      pid: member.tracee.mainTid,
      fds: member.fds,
      moving: descriptorsOf(member, what),
    })),
    () => "same", // no two descriptions are masters of one terminal
  );
  // Not undefined: planJob() answers each process in its place.
  const movers = holders.members.map((member, index) => ({ member, plan: moves[index]! }))
    .filter(({ plan }) => plan.descriptions.length > 0);
  leaveToSigframesOnFailure(holders.members, () => replaceWith(what, movers, undo));
  undo.move();
  return movers.map(({ member, plan }) => ({
    process: { pid: member.pid, startTime: member.stat.startTime },
    fds: plan.descriptions.flatMap(({ descriptors }) => descriptors.map(({ fd }) => fd)),
    runs: readRuns(member.pid),
  }));
}

/** Pushes on `undo` how to put back each step. */
function replaceWith(
  what: Replacing,
  movers: readonly { readonly member: Member; readonly plan: MovePlan }[],
  undo: DisposableStack,
): void {
  const given = movers.map(({ member, plan }) =>
    unlessDead(() => {
      // As if all members shared one table of descriptors.
      makeRoom([{ member, plan, wanted: movers.length }]);
      const given = runToCompletion(receiveFds(member, { replacements: [what.replacement] }));
      undo.defer(() => closeReceivedFds(member, given));
      return given.replacements;
    })
  );
  movers.forEach(({ member, plan }, index) =>
    unlessDead(() => {
      const old = swap(member, plan, given[index] ?? []);
      if (old.length > 0) undo.defer(() => swapBack(member, plan, old));
    })
  );
  for (const { member } of movers) unlessDead(() => member.commit());
}

/** Returns copies of the replaced descriptors, to undo with. */
function swap(
  member: Member,
  plan: MovePlan,
  given: readonly RemoteFd[],
): (RemoteFd | undefined)[] {
  if (given.length === 0) return [];
  return member.withRemote((remote) => {
    const old = runToCompletion(keepOldFds(member, remote, plan));
    runToCompletion(swapDescriptors(remote, plan, given, old));
    return old;
  });
}

/** The member's descriptors that are to be replaced. */
function descriptorsOf({ tracee, pidfd, fds }: Member, { index, isWanted }: Replacing): number[] {
  return fds.filter(({ fd, fdinfo }) =>
    fdinfo.ttyIndex === index && isWanted({ pidfd, tid: tracee.mainTid, fd })
  ).map(({ fd }) => fd);
}

/** Undefined where the process ended meanwhile: it holds nothing any more, which is no failure. */
function unlessDead<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof TraceeDiedError) return undefined;
    throw error;
  }
}
