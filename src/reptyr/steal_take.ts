/**
 * Taking a pty's master away from all who hold it, in one synchronous piece: stop them, put another master under
 * their descriptors, let them go.
 *
 * What they get is a master whose slave everyone has left: they see what they see whenever the last program on a
 * terminal ends, and do what they do then. /dev/null, which reads as end of file too, would not do: epoll(7) refuses
 * it, so that a program with an event loop would never hear of the end; and it swallows what is written, so that
 * sshd(8) would keep its client for ever.
 */
import { RefusedError, SyscallError, TraceeDiedError } from "../errors.ts";
import { close } from "../ffi/descriptor.ts";
import { findMasterHolders } from "../proc/masters.ts";
import { isLive, readStat } from "../proc/stat.ts";
import { hungUpMaster } from "../tty/master.ts";
import { RemoteSyscalls } from "../tracee/remote_syscalls.ts";
import { Member } from "./member.ts";
import { type MovePlan, planJob } from "./plan.ts";
import type { StealFacts } from "./steal_preflight.ts";
import { isSameMaster } from "./stolen_master.ts";
import { subject } from "./stolen_terminal.ts";
import { swapDescriptors } from "./swap.ts";

/** Who was made to give up what. */
export interface Loss {
  readonly pid: number;
  readonly fds: readonly number[];
}

/**
 * After this nobody but us holds the master of `facts`. Throws when it cannot be done, with all as it was before.
 * Nothing is written meanwhile: among those who are stopped may be the program that our own terminal belongs to.
 */
export function takeMaster(facts: StealFacts, timeoutSeconds: number): Loss[] {
  try {
    using cleanup = new DisposableStack();
    const replacement = hungUpMaster();
    cleanup.defer(() => close(replacement));
    using holders = new Holders(facts, timeoutSeconds);
    using undo = new DisposableStack();
    const losses = replace(holders.members, facts, replacement, undo);
    undo.move();
    return losses;
  } catch (error) {
    throw explained(error, facts);
  }
}

/** All processes with a descriptor on the master, stopped. */
class Holders implements Disposable {
  readonly #members = new Map<number, Member>();

  constructor(facts: StealFacts, timeoutSeconds: number) {
    using undo = new DisposableStack();
    undo.defer(() => this[Symbol.dispose]());
    let wave = facts.holders;
    while (wave.length > 0) {
      for (const pid of wave) this.#stop(pid, timeoutSeconds);
      // Those that were forked meanwhile; who is stopped forks no more.
      wave = findMasterHolders(facts.wanted.index).holders.map(({ pid }) => pid)
        .filter((pid) => !this.#members.has(pid) && this.#descendsFromMember(pid));
    }
    undo.move();
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
  #stop(pid: number, timeoutSeconds: number): void {
    try {
      this.#members.set(pid, Member.seize(pid, timeoutSeconds));
    } catch (error) {
      const stat = readStat(pid);
      const ended = stat === undefined || !isLive(stat);
      if (!(error instanceof TraceeDiedError || error instanceof RefusedError) || !ended) {
        throw error;
      }
    }
  }

  #descendsFromMember(pid: number): boolean {
    const parent = readStat(pid)?.ppid ?? 0;
    return parent > 0 && (this.#members.has(parent) || this.#descendsFromMember(parent));
  }
}

function replace(
  members: readonly Member[],
  facts: StealFacts,
  replacement: number,
  undo: DisposableStack,
): Loss[] {
  const { moves } = planJob(
    members.map((member) => ({
      pid: member.tracee.mainTid,
      fds: member.fds,
      moving: mastersOf(member, facts),
    })),
    () => true, // no two descriptions are masters of one terminal
  );
  const movers = members.map((member, index) => ({ member, plan: moves[index]! }))
    .filter(({ plan }) => plan.descriptions.length > 0);
  if (movers.length === 0) {
    throw new RefusedError(`${subject(facts.target)}: the program behind it has just closed it`);
  }
  const given = movers.map(({ member }) =>
    unlessDead(() => {
      // At first the sockets that bring it, later a copy of what is replaced.
      member.requireRoom(3);
      const given = member.receive([replacement]);
      undo.defer(() => member.giveUp(given));
      return given;
    })
  );
  movers.forEach(({ member, plan }, index) =>
    unlessDead(() => {
      swap(member, plan, given[index] ?? []);
      undo.defer(() => member.swapBack(plan, [facts.master]));
    })
  );
  return movers.map(({ member, plan }) => ({
    pid: member.pid,
    fds: plan.descriptions.flatMap(({ descriptors }) => descriptors.map(({ fd }) => fd)),
  }));
}

function swap(member: Member, plan: MovePlan, given: readonly number[]): void {
  if (given.length === 0) return;
  using remote = RemoteSyscalls.begin(member.tracee);
  swapDescriptors(remote, plan, given);
}

/** The member's descriptors on the master. */
function mastersOf({ tracee, pidfd, fds }: Member, { master, wanted }: StealFacts): number[] {
  return fds.filter(({ fd, fdinfo }) =>
    fdinfo.ttyIndex === wanted.index &&
    isSameMaster({ pidfd, tid: tracee.mainTid, fd }, master, wanted)
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

/** What went wrong first; what then failed in putting things back is a consequence of it. */
function firstOf(error: unknown): unknown {
  return error instanceof SuppressedError ? firstOf(error.suppressed) : error;
}

function explained(error: unknown, { target }: StealFacts): unknown {
  const first = firstOf(error);
  if (!(first instanceof SyscallError)) return first;
  return new RefusedError(`${subject(target)}: ${first.message}`, [
    first === error
      ? "All is as it was before"
      : "Not all could be put back: see whether the program that shows the terminal still works",
  ], { cause: first });
}
