/** Stopping a whole job: the target, the others that move with it, and the children they just got. */
import { RefusedError, TraceeDiedError } from "../../../errors.ts";
import { verbose } from "../../../log.ts";
import { type ProcessIdentity } from "../../../proc/process_identity.ts";
import { hasEnded } from "../../../proc/second_look.ts";
import { untilInterruptible } from "../../../tracee/stop_threads.ts";
import { Deadline, type Waits } from "../../../tracee/wait.ts";
import { Gate } from "../../gate/gate.ts";
import { type JobMember } from "../../inspect/job_members.ts";
import type { KnownRecord } from "../../record/known_records.ts";
import { commitAll, restoreAll, restoreCommitted } from "./failure.ts";
import { Member } from "./member.ts";
import { newbornOf } from "./newborn.ts";
import { lookEarly, seizingMembers } from "./seize_members.ts";
import { memberOf } from "./seized.ts";
import { stopInWaves } from "./stop_in_waves.ts";

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

/** Threads stop within microseconds, but for those that wait for somebody. */
const SERVED_SECONDS = 0.1;

type Admitted = ProcessIdentity & Pick<JobMember, "byRecord">;

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
   * born meanwhile are stopped too. Throws as seizingMember() does; nothing is left stopped then.
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
    return this.#members.get(this.#target)!; // not undefined: stopping() throws when it cannot stop the target
  }

  /** All but the target. */
  get others(): readonly Member[] {
    return this.members.slice(1);
  }

  get members(): readonly Member[] {
    const target = this.#members.get(this.#target);
    const others = [...this.#members.values()].filter((member) => member !== target);
    return target === undefined ? others : [target, ...others];
  }

  /** What has been done to all is to stay: Member.commit(), Member.restoreState(). */
  commit(): void {
    commitAll(this.members);
    restoreCommitted(this);
  }

  /** Leave it to the members to come back to themselves: Member.leaveToSigframes(). */
  leaveToSigframes(): void {
    for (const member of this.members) member.leaveToSigframes();
  }

  /** Give all members their registers back. Every one is tried, whatever goes wrong with others. */
  restoreState(): void {
    restoreAll(this.members);
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
    yield* this.#addAll(this.#findNewborn(), deadline);
  }

  /** Stop `processes`, and the children that they get meanwhile, until there are no more. */
  *#addAll(processes: readonly Admitted[], deadline: Deadline): Waits<void> {
    // While nobody stands still.
    lookEarly(processes);
    yield* stopInWaves<Admitted>({
      first: processes,
      stop: (turn, areServers) => {
        for (const server of areServers ? turn : []) this.#servers.set(server.pid, server);
        return this.#whileServed(this.#add(turn, deadline));
      },
      findNew: () => this.#findNewborn(),
      deadline,
      leader: this.#target,
    });
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
      const member = this.#members.get(pid);
      this.#members.delete(pid);
      member?.[Symbol.dispose]();
      verbose(`Let process ${pid} go again, which serves a file system`);
    }
    return stopped;
  }

  /** None as long as the target runs: it serves a file system then, and its turn comes. */
  #findNewborn(): JobMember[] {
    return this.#members.has(this.#target) ? newbornOf(this, this.#record) : [];
  }

  /** Stop `processes`, which the rule names. Those that have ended meanwhile are passed over, but not the target. */
  *#add(found: readonly Admitted[], deadline: Deadline): Waits<void> {
    const processes = found.filter(({ byRecord }) => !byRecord || this.#record !== undefined);
    this.gate.admit(processes.filter(({ byRecord }) => !byRecord));
    this.gate.admit(processes.filter(({ byRecord }) => byRecord), this.#record?.authority);
    const all = yield* seizingMembers(processes, deadline, this.gate);
    for (const [index, { pid }] of processes.entries()) {
      const seized = all[index];
      if (seized !== undefined && "value" in seized) this.#members.set(pid, seized.value);
    }
    for (const [index, process] of processes.entries()) {
      const { pid } = process;
      const seized = all[index];
      try {
        if (seized !== undefined) memberOf(pid, seized);
      } catch (error) {
        const ended = error instanceof TraceeDiedError || error instanceof RefusedError;
        if (pid === this.#target || !ended || !hasEnded(process)) throw error;
      }
    }
  }
}
