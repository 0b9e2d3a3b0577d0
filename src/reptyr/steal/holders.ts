/** All processes that may have a descriptor on a master, stopped until disposal. */
import { RefusedError, TraceeDiedError } from "../../errors.ts";
import { findMasterHolders } from "../../proc/masters.ts";
import { identityOf, type ProcessIdentity } from "../../proc/process_identity.ts";
import { hasEnded } from "../../proc/second_look.ts";
import { readStat } from "../../proc/stat.ts";
import { untilInterruptible } from "../../tracee/stop_threads.ts";
import type { Deadline, Waits } from "../../tracee/wait.ts";
import { Gate } from "../gate/gate.ts";
import { Member } from "../move/job/member.ts";
import { seizingMember } from "../move/job/seize_members.ts";
import { stopInWaves } from "../move/job/stop_in_waves.ts";

export class Holders implements Disposable {
  readonly #members = new Map<number, Member>();
  /** Admits the holders of the master, and no other process. */
  readonly #gate = new Gate();

  /** Stop `holders` of the master whose slave is `/dev/pts/INDEX`, and the children of theirs that hold it. */
  static *stopping(
    holders: readonly ProcessIdentity[],
    index: number,
    deadline: Deadline,
  ): Waits<Holders> {
    using undo = new DisposableStack();
    const all = undo.use(new Holders());
    yield* untilInterruptible(holders.map(({ pid }) => pid), deadline);
    const [first] = holders;
    if (first !== undefined) {
      yield* stopInWaves({
        first: holders,
        stop: (processes) => all.#stopAll(processes, deadline),
        // Children that were forked meanwhile. A stopped process forks no more.
        findNew: () =>
          findMasterHolders(index).holders.map(({ pid }) => identityOf(pid))
            .filter(({ pid }) => !all.#members.has(pid) && all.#descendsFromMember(pid)),
        deadline,
        leader: first.pid,
      });
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

  *#stopAll(processes: readonly ProcessIdentity[], deadline: Deadline): Waits<readonly []> {
    this.#gate.admit(processes);
    for (const process of processes) yield* this.#stop(process, deadline);
    return [];
  }

  /** Stop one process. A process that ends meanwhile holds nothing any more. */
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
