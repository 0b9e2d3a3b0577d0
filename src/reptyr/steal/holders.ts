/** All processes that may have a descriptor on a master, stopped until disposal. */
import { RefusedError, TraceeDiedError } from "../../errors.ts";
import { servesFiles } from "../../proc/file_servers.ts";
import { findMasterHolders } from "../../proc/masters.ts";
import { identityOf, isAlive, type ProcessIdentity } from "../../proc/process_identity.ts";
import { readStat } from "../../proc/stat.ts";
import { tooMany, untilInterruptible } from "../../tracee/stop_threads.ts";
import type { Deadline, Waits } from "../../tracee/wait.ts";
import { Gate } from "../gate/gate.ts";
import { Member } from "../move/job/member.ts";

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
    let wave = holders;
    while (wave.length > 0) {
      all.#gate.admit(wave);
      const servers = wave.filter(({ pid }) => servesFiles(pid));
      const clients = wave.filter((process) => !servers.includes(process));
      // A process that waits for a file of another one stops only after that one has answered: servers stop last.
      for (const process of [...clients, ...servers]) yield* all.#stop(process, deadline);
      // Children that were forked meanwhile. A stopped process forks no more.
      wave = findMasterHolders(index).holders.map(({ pid }) => identityOf(pid))
        .filter(({ pid }) => !all.#members.has(pid) && all.#descendsFromMember(pid));
      const [[first], [latest]] = [holders, wave];
      if (deadline.passed && first !== undefined && latest !== undefined) {
        throw tooMany(first.pid, latest.pid, deadline);
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

  /** Stop one process. A process that ends meanwhile holds nothing any more. */
  *#stop(process: ProcessIdentity, deadline: Deadline): Waits<void> {
    try {
      this.#members.set(process.pid, yield* Member.seizing(process, deadline, this.#gate));
    } catch (error) {
      if (
        !(error instanceof TraceeDiedError || error instanceof RefusedError) || isAlive(process)
      ) {
        throw error;
      }
    }
  }

  #descendsFromMember(pid: number): boolean {
    const parent = readStat(pid)?.ppid ?? 0;
    return parent > 0 && (this.#members.has(parent) || this.#descendsFromMember(parent));
  }
}
