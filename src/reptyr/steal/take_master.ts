/**
 * Taking a pty's master away from all who hold it, in one synchronous piece: stop them, put another master under
 * their descriptors, let them go.
 */
import { hasEnded } from "../../proc/second_look.ts";
import { closeReceivedFds, keepOldFds, receiveFds, swapBack } from "../move/job/member_fds.ts";
import { seizingMember } from "../move/job/seize_members.ts";
import { type OurFd, type RemoteFd } from "../../brands.ts";
import { firstOf, RefusedError, TraceeDiedError } from "../../errors.ts";
import { verbose } from "../../log.ts";
import { servesFiles } from "../../proc/file_servers.ts";
import { findMasterHolders } from "../../proc/masters.ts";
import { readStat } from "../../proc/stat.ts";
import { readRuns, type Runs } from "../../proc/runs.ts";
import { explainTimeout } from "../../tracee/frozen.ts";
import { leaveToSigframesOnFailure } from "../move/job/failure.ts";
import { Gate } from "../gate/gate.ts";
import { tellLeftUndone } from "../move/left_undone.ts";
import { Member } from "../move/job/member.ts";
import { makeRoom } from "../move/make_room.ts";
import { type MovePlan, planJob } from "../move/descriptors/plan.ts";
import type { Patience } from "../frontend/patience.ts";
import type { StealFacts } from "./preflight.ts";
import { isSameMaster } from "../inspect/find_master.ts";
import { stealFailure, subject } from "../inspect/stolen_terminal.ts";
import { runToCompletion } from "../../tracee/steps.ts";
import { tooMany, untilInterruptible } from "../../tracee/stop_threads.ts";
import { Deadline, waitOut, type Waits } from "../../tracee/wait.ts";
import { swapDescriptors } from "../move/descriptors/replace_fds.ts";
import { identityOf, type ProcessIdentity } from "../../proc/process_identity.ts";

/** Who was made to give up what. */
export interface ReplacedFds {
  readonly process: ProcessIdentity;
  readonly fds: readonly number[];
  /** From before it went on. */
  readonly runs: Runs;
}

/** One descriptor of a stopped process. */
export interface Held {
  readonly pidfd: number;
  readonly tid: number;
  readonly fd: number;
}

/**
 * After this nobody but us holds the master of `facts`: where it was, `replacement` is. Throws when it cannot be done,
 * with all as it was before. Nothing is written meanwhile: among those who are stopped may be the program that our own
 * terminal belongs to.
 */
export async function takeMaster(
  facts: StealFacts,
  replacement: OurFd,
  timeoutSeconds: number,
  patience: Patience,
): Promise<ReplacedFds[]> {
  const { master, wanted, target } = facts;
  const what: Replacing = {
    holders: facts.holders,
    index: wanted.index,
    isWanted: (held) => isSameMaster(held, master, wanted),
    replacement,
  };
  try {
    using holders = await patience.wait(Holders.stopping(what, new Deadline(timeoutSeconds)));
    if (patience.isTried) await patience.end();
    const losses = replaceIn(holders, what);
    letGo(holders);
    if (losses.length > 0) return losses;
    throw new RefusedError(`${subject(target)}: the program behind it has just closed it`);
  } catch (error) {
    const first = firstOf(error);
    const explained = explainTimeout(first);
    throw explained === first ? stealFailure(error, target) : explained;
  }
}

export interface Replacing {
  /** Who holds the master; their children are looked at, too. */
  readonly holders: readonly ProcessIdentity[];
  /** N of the slave's `/dev/pts/N`. */
  readonly index: number;
  /** Whether a descriptor on a master of that index is to be replaced. */
  readonly isWanted: (held: Held) => boolean;
  /** What takes its place. */
  readonly replacement: OurFd;
}

/** Replace a master in all who hold it; who lost it. After a throw all is as it was. */
export function replace(what: Replacing, timeoutSeconds: number): ReplacedFds[] {
  using holders = waitOut(Holders.stopping(what, new Deadline(timeoutSeconds)));
  const losses = replaceIn(holders, what);
  const { members } = holders;
  letGo(holders);
  tellLeftUndone(members);
  return losses;
}

/** Done is done: to call it a failure would hang the terminal up. */
function letGo(holders: Holders): void {
  try {
    holders[Symbol.dispose]();
  } catch (error) {
    verbose(`Cannot let all go that were stopped: ${error}`);
  }
}

function replaceIn(holders: Holders, what: Replacing): ReplacedFds[] {
  using undo = new DisposableStack();
  const { moves } = planJob(
    holders.members.map((member) => ({
      pid: member.tracee.mainTid,
      fds: member.fds,
      moving: descriptorsOf(member, what),
    })),
    () => "same", // no two descriptions are masters of one terminal
  );
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

/** How to put back what has been done is on `undo`. */
function replaceWith(
  what: Replacing,
  movers: readonly { readonly member: Member; readonly plan: MovePlan }[],
  undo: DisposableStack,
): void {
  const given = movers.map(({ member, plan }) =>
    unlessDead(() => {
      // As if all had one table.
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

/** All processes that may have a descriptor on the master, stopped. */
class Holders implements Disposable {
  readonly #members = new Map<number, Member>();
  /** Admits who holds the master, and nobody else. */
  readonly #gate = new Gate();

  static *stopping({ holders, index }: Replacing, deadline: Deadline): Waits<Holders> {
    using undo = new DisposableStack();
    const all = undo.use(new Holders());
    yield* untilInterruptible(holders.map(({ pid }) => pid), deadline);
    let wave = holders;
    while (wave.length > 0) {
      all.#gate.admit(wave);
      const [clients, servers] = [false, true].map((serves) =>
        wave.filter(({ pid }) => servesFiles(pid) === serves)
      );
      // One that waits for a file of another of them stops only when it has its answer.
      for (const process of [...clients!, ...servers!]) yield* all.#stop(process, deadline);
      // Those that were forked meanwhile; who is stopped forks no more.
      wave = findMasterHolders(index).holders.map(({ pid }) => identityOf(pid))
        .filter(({ pid }) => !all.#members.has(pid) && all.#descendsFromMember(pid));
      if (deadline.passed && wave.length > 0) {
        throw tooMany(holders[0]!.pid, wave[0]!.pid, deadline);
      }
    }
    undo.move();
    return all;
  }

  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  [Symbol.dispose](): void {
    using stack = new DisposableStack();
    for (const member of this.members) stack.use(member);
    this.#members.clear();
  }

  /** One that ends meanwhile holds nothing any more. */
  *#stop(process: ProcessIdentity, deadline: Deadline): Waits<void> {
    try {
      this.#members.set(process.pid, yield* seizingMember(process, deadline, this.#gate));
    } catch (error) {
      const mayBeEnded = error instanceof TraceeDiedError || error instanceof RefusedError;
      if (!mayBeEnded || !hasEnded(process)) throw error;
    }
  }

  #descendsFromMember(pid: number): boolean {
    const parent = readStat(pid)?.ppid ?? 0;
    return parent > 0 && (this.#members.has(parent) || this.#descendsFromMember(parent));
  }
}

/** What it has replaced, to undo with. */
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

/** Who dies of something else meanwhile holds nothing any more: that is no failure. */
function unlessDead<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof TraceeDiedError) return undefined;
    throw error;
  }
}
