/** Stopping a whole job: the target, the others that move with it, and the children they just got. */
import { HeldUpError, RefusedError, SyscallError, TraceeDiedError } from "../errors.ts";
import { verbose } from "../log.ts";
import { servesFiles } from "../proc/file_servers.ts";
import { hasEnded } from "../proc/second_look.ts";
import { isLive, readStat, type Stat } from "../proc/stat.ts";
import { listTids, readChildren } from "../proc/tasks.ts";
import { settleAll } from "./failure.ts";
import { Gate } from "./gate.ts";
import { evidenceOf } from "./job_evidence.ts";
import { type JobMember, jobMembers, othersInTheWay } from "./job_members.ts";
import type { ProcessName } from "./job_record.ts";
import type { KnownRecord } from "./known_records.ts";
import { FreezerWatch } from "../tracee/frozen.ts";
import { overlap } from "../tracee/steps.ts";
import { tooMany, untilInterruptible } from "../tracee/stop_threads.ts";
import { findReturnSitesEarly } from "../tracee/return_sites.ts";
import { Deadline, type Waits } from "../tracee/wait.ts";
import { Member } from "./member.ts";
import { memberOf } from "./seized.ts";

export interface JobOptions {
  readonly target: ProcessName;
  /** What jobMembers() has found beside it. */
  readonly others: readonly JobMember[];
  /** What bystandersOf() has found: not to be touched, whatever becomes of them. */
  readonly bystanders: readonly ProcessName[];
  /** That of the reptyr that serves the target's terminal. */
  readonly record: KnownRecord | undefined;
  readonly alone: boolean;
  readonly deadline: Deadline;
}

/** Threads stop within microseconds, but for those that wait for somebody. */
const SERVED_SECONDS = 0.1;

type Admitted = ProcessName & Pick<JobMember, "byRecord">;

/** All processes of a job, stopped. The first is the target. */
export class Job implements Disposable {
  readonly #members = new Map<number, Member>();
  /** Those that were stopped as servers of file systems. */
  readonly #servers = new Map<number, Admitted>();
  readonly #target: number;
  /** Who may be stopped and signalled: the members. */
  readonly gate = new Gate();
  readonly #record: KnownRecord | undefined;
  /** The others do not move: they are only to leave the target's group. */
  readonly alone: boolean;

  private constructor({ target, bystanders, record, alone }: JobOptions) {
    this.#target = target.pid;
    this.gate.bar(bystanders);
    this.#record = record;
    this.alone = alone;
  }

  /**
   * Stop `target` and `others`. Those that have ended meanwhile are passed over; children that were
   * born meanwhile are stopped too. Throws as Member.seize() does; nothing is left stopped then.
   */
  static *stopping(options: JobOptions): Waits<Job> {
    const { target, others, deadline } = options;
    using undo = new DisposableStack();
    const job = undo.use(new Job(options));
    yield* untilInterruptible([target, ...others].map(({ pid }) => pid), deadline);
    yield* job.#addAll([{ ...target, byRecord: false }, ...others], deadline);
    undo.move();
    return job;
  }

  get target(): Member {
    return this.#members.get(this.#target)!;
  }

  /** All but the target. */
  get helpers(): readonly Member[] {
    return this.members.slice(1);
  }

  get members(): readonly Member[] {
    const target = this.#members.get(this.#target);
    const others = [...this.#members.values()].filter((member) => member !== target);
    return target === undefined ? others : [target, ...others];
  }

  /**
   * Processes of the target's group that have ended and have not been waited for: children of members, and of the
   * shell that has them as a job. They keep the group's number in use, for which setsid(2) fails.
   */
  get zombiesInGroup(): readonly Stat[] {
    const { pgrp } = this.target.stat;
    const group = this.members.filter(({ stat }) => stat.pgrp === pgrp);
    const parents = new Set(group.flatMap(({ pid, stat }) => [pid, stat.ppid]));
    return childrenOf([...parents])
      .map((pid) => readStat(pid))
      .filter((stat) => stat !== undefined)
      .filter((stat) => !isLive(stat) && stat.pgrp === pgrp);
  }

  /** Throws RefusedError when a member, which ran since it was stopped, is frozen by now. */
  refuseFrozen(): void {
    const [refused] = new FreezerWatch(this.members.map(({ pid }) => pid)).look().values();
    if (refused !== undefined) throw refused;
  }

  /** What has been done to all is to stay: Member.settle(), Member.giveBack(). */
  settle(): void {
    settleAll(this.members);
    try {
      this.giveBack();
    } catch (error) {
      if (!(error instanceof SyscallError || error instanceof HeldUpError)) throw error;
      verbose(error.message);
      this.abandon();
    }
  }

  /** Leave it to the members to come back to themselves: Member.abandon(). */
  abandon(): void {
    for (const member of this.members) member.abandon();
  }

  /** Give all members their registers back. Every one is tried, whatever goes wrong with others. */
  giveBack(): void {
    overlap(this.members.toReversed().map((member) => member.givingBack()));
  }

  /** The target first: what it undoes by itself, its group and its terminal, is there then for the others. */
  [Symbol.dispose](): void {
    using all = new DisposableStack();
    for (const member of this.members.toReversed()) all.use(member);
    this.#members.clear();
  }

  /** Members have run since they were stopped: read again what they are, and stop the children they got. */
  *readingAgain(deadline: Deadline): Waits<void> {
    for (const member of this.members) {
      try {
        member.readAgain();
      } catch (error) {
        if (!(error instanceof TraceeDiedError) || member === this.target) throw error;
        this.#members.delete(member.pid);
        member[Symbol.dispose]();
      }
    }
    yield* this.#addAll(this.#newborn(), deadline);
  }

  /**
   * Stop `processes`, and the children that they get meanwhile, until there are no more. Servers of file systems come last,
   * one after another, when no one else is left: a process that waits for one stops only when it has its answer.
   */
  *#addAll(processes: readonly Admitted[], deadline: Deadline): Waits<void> {
    // While nobody stands still.
    for (const { pid } of processes) findReturnSitesEarly(pid);
    const servers: Admitted[] = [];
    let wave = processes;
    for (;;) {
      const known = new Set(servers.map(({ pid }) => pid));
      const fresh = wave.filter(({ pid }) => !known.has(pid));
      const serving = new Set(fresh.filter(({ pid }) => servesFiles(pid)));
      servers.push(...serving);
      const clients = fresh.filter((one) => !serving.has(one));
      const turn = clients.length > 0 ? clients : servers.splice(0, 1);
      const [first] = turn;
      if (first === undefined) return;
      if (wave !== processes && deadline.passed) throw tooMany(this.#target, first.pid, deadline);
      if (clients.length === 0) this.#servers.set(first.pid, first);
      servers.push(...yield* this.#whileServed(this.#add(turn, deadline)));
      wave = this.#newborn();
    }
  }

  /**
   * Those who are stopped last may have children, too, which wait for one that stands still already. When it takes long, all
   * servers are let go again; they are returned, and are to be stopped once more.
   */
  *#whileServed(waits: Waits<void>): Waits<Admitted[]> {
    const letGo: Admitted[] = [];
    const patience = new Deadline(SERVED_SECONDS);
    for (let turn = waits.next(); turn.done !== true;) {
      if (patience.passed) letGo.push(...this.#letServersGo());
      try {
        yield turn.value;
      } catch (error) {
        turn = waits.throw(error);
        continue;
      }
      turn = waits.next();
    }
    return letGo;
  }

  #letServersGo(): Admitted[] {
    const stopped = [...this.#servers.values()].filter(({ pid }) => this.#members.has(pid));
    for (const { pid } of stopped) {
      const member = this.#members.get(pid)!;
      this.#members.delete(pid);
      member[Symbol.dispose]();
      verbose(`Let process ${pid} go again, which serves a file system`);
    }
    return stopped;
  }

  /** Stop `processes`, which the rule names. Those that have ended meanwhile are passed over, but not the target. */
  *#add(found: readonly Admitted[], deadline: Deadline): Waits<void> {
    const processes = found.filter(({ byRecord }) => !byRecord || this.#record !== undefined);
    this.gate.admit(processes.filter(({ byRecord }) => !byRecord));
    this.gate.admit(processes.filter(({ byRecord }) => byRecord), this.#record?.authority);
    const all = yield* Member.seizingAll(processes, deadline, this.gate);
    all.forEach((seized, index) => {
      if ("value" in seized) this.#members.set(processes[index]!.pid, seized.value);
    });
    all.forEach((seized, index) => {
      const { pid } = processes[index]!;
      try {
        memberOf(pid, seized);
      } catch (error) {
        const ended = error instanceof TraceeDiedError || error instanceof RefusedError;
        if (pid === this.#target || !ended || !hasEnded(processes[index]!)) throw error;
      }
    });
  }

  /**
   * Members that nobody has stopped yet. Only members beget members, and those that are stopped do not. None as long as the
   * target runs: it serves a file system then, and its turn comes.
   */
  #newborn(): JobMember[] {
    if (!this.#members.has(this.#target)) return [];
    const table = childrenOf(this.members.map(({ pid }) => pid))
      .filter((pid) => !this.#members.has(pid))
      .map((pid) => readStat(pid))
      .filter((stat): stat is Stat => stat !== undefined && isLive(stat));
    const stats = [...this.members.map(({ stat }) => stat), ...table];
    const { stat: target, status: { nsPid }, terminal } = this.target;
    const evidence = evidenceOf({ nsPid, terminal: terminal?.identity }, this.#record);
    // What is known of those that stand still already is not read again.
    const members = jobMembers(target, stats, Deno.pid, {
      ...evidence,
      usesTerminal: (pid) => this.#members.has(pid) || evidence.usesTerminal(pid),
      isInit: (pid) => !this.#members.has(pid) && evidence.isInit(pid),
    });
    const stopped = this.alone ? othersInTheWay(target, members) : members;
    return stopped.filter(({ pid }) => !this.#members.has(pid));
  }
}

/** Exact for parents that are stopped: see `readChildren()`. */
function childrenOf(parents: readonly number[]): number[] {
  return parents.flatMap((pid) => (listTids(pid) ?? []).flatMap((tid) => readChildren(pid, tid)));
}
