/** Stopping a whole job: the target, the others that move with it, and the children they just got. */
import {
  firstOf,
  HeldUpError,
  RefusedError,
  SyscallError,
  TraceeDiedError,
} from "../../../errors.ts";
import { verbose } from "../../../log.ts";
import { isLive, readStat, type Stat } from "../../../proc/stat.ts";
import { listTids, readChildren } from "../../../proc/tasks.ts";
import { commitAll } from "./failure.ts";
import { Gate } from "../../gate/gate.ts";
import { evidenceOf } from "../../inspect/job_evidence.ts";
import { type JobMember, jobMembers, othersInTheWay } from "../../inspect/job_members.ts";
import type { KnownRecord } from "../../record/known_records.ts";
import { FreezerWatch } from "../../../tracee/frozen.ts";
import { interleave } from "../../../tracee/steps.ts";
import { tooMany, untilInterruptible } from "../../../tracee/stop_threads.ts";
import type { Deadline, Waits } from "../../../tracee/wait.ts";
import { Member } from "./member.ts";
import { memberOf } from "./seized.ts";
import { isAlive, type ProcessIdentity } from "../../../proc/process_identity.ts";

export interface JobOptions {
  readonly target: ProcessIdentity;
  /** What jobMembers() has found beside it. */
  readonly others: readonly JobMember[];
  /** What bystandersOf() has found: not to be touched, whatever becomes of them. */
  readonly bystanders: readonly ProcessIdentity[];
  /** That of the reptyr that serves the target's terminal. */
  readonly record: KnownRecord | undefined;
  readonly alone: boolean;
  readonly deadline: Deadline;
}

type Admitted = ProcessIdentity & Pick<JobMember, "byRecord">;

/** All processes of a job, stopped. The first is the target. */
export class Job implements Disposable {
  readonly #members = new Map<number, Member>();
  /** Who may be stopped and signalled: the members. */
  readonly gate = new Gate();
  readonly #record: KnownRecord | undefined;
  /** The others do not move: they are only to leave the target's group. */
  readonly alone: boolean;

  private constructor({ bystanders, record, alone }: JobOptions) {
    this.gate.bar(bystanders);
    this.#record = record;
    this.alone = alone;
  }

  /**
   * Stop `target` and `others`. Those that have ended meanwhile are passed over; children that were
   * born meanwhile are stopped too. Throws as Member.seizing() does; nothing is left stopped then.
   */
  static *stopping(options: JobOptions): Waits<Job> {
    const { target, others, deadline } = options;
    using undo = new DisposableStack();
    const job = undo.use(new Job(options));
    yield* untilInterruptible([target, ...others].map(({ pid }) => pid), deadline);
    yield* job.#add([{ ...target, byRecord: false }, ...others], deadline, target.pid);
    yield* job.#addAll(job.#newborn(), deadline);
    undo.move();
    return job;
  }

  get target(): Member {
    return this.members[0]!;
  }

  /** All but the target. */
  get others(): readonly Member[] {
    return this.members.slice(1);
  }

  get members(): readonly Member[] {
    return [...this.#members.values()];
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

  /** What has been done to all is to stay: Member.commit(), Member.restoreState(). */
  commit(): void {
    commitAll(this.members);
    try {
      this.restoreState();
    } catch (error) {
      const first = firstOf(error);
      if (!(first instanceof SyscallError || first instanceof HeldUpError)) throw error;
      verbose((error as Error).message);
      this.leaveToSigframes();
    }
  }

  /** Leave it to the members to come back to themselves: Member.leaveToSigframes(). */
  leaveToSigframes(): void {
    for (const member of this.members) member.leaveToSigframes();
  }

  /** Give all members their registers back. Every one is tried, whatever goes wrong with others. */
  restoreState(): void {
    interleave(this.members.toReversed().map((member) => member.restoreState()));
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

  *#addAll(processes: readonly Admitted[], deadline: Deadline): Waits<void> {
    for (let wave = processes; wave.length > 0; wave = this.#newborn()) {
      if (deadline.passed) throw tooMany(this.target.pid, wave[0]!.pid, deadline);
      yield* this.#add(wave, deadline);
    }
  }

  /** Stop `processes`, which the rule names. Those that have ended meanwhile are passed over, but not `target`. */
  *#add(found: readonly Admitted[], deadline: Deadline, target?: number): Waits<void> {
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
        if (pid === target || !ended || isAlive(processes[index]!)) throw error;
      }
    });
  }

  /** Members that nobody has stopped yet. New members can only be forked by unstopped members. */
  #newborn(): JobMember[] {
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
