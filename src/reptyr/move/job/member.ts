/** One process of the job while it is stopped, and what is to be done with it. */
import { type OurFd, type RemoteFd } from "../../../brands.ts";
import { GivenUpError, RefusedError } from "../../../errors.ts";
import { close } from "../../../ffi/descriptor.ts";
import type { Descriptor } from "../../../proc/fds.ts";
import { limitFor, readOpenFilesLimit } from "../../../proc/limits.ts";
import type { Stat } from "../../../proc/stat.ts";
import type { Status } from "../../../proc/status.ts";
import { awaitBlockedCalls } from "../../../tracee/blocked_calls.ts";
import { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { FreezerWatch } from "../../../tracee/frozen.ts";
import { TRACE_SESSION } from "../../../tracee/trace_session.ts";
import { runToCompletion, type Steps } from "../../../tracee/steps.ts";
import type { Tracee } from "../../../tracee/tracee.ts";
import type { Deadline, Waits } from "../../../tracee/wait.ts";
import { FileRoom } from "../descriptors/file_room.ts";
import type { AskedProcess, Gate } from "../../gate/gate.ts";
import {
  allOf,
  countOf,
  type FdsToSend,
  type ReceivedFds,
  sendNamedFds,
} from "../descriptors/send_fds.ts";
import { type MemberFacts, openPidfd, readFacts } from "./member_facts.ts";
import { type OldTerminal, oldTerminal } from "../../inspect/old_terminal.ts";
import type { MovePlan } from "../descriptors/plan.ts";
import { closeAll, FIRST_FREE } from "../descriptors/remote_fd.ts";
import { memberOf, requireTriedFilter, type Settled, settled } from "./seized.ts";
import { withOwnDescriptors } from "../descriptors/kcmp.ts";
import { copyOldFds, swapDescriptors } from "../descriptors/replace_fds.ts";
import type { ProcessIdentity } from "../../../proc/process_identity.ts";

/** A stopped process of the job. Disposing lets it go as it is then. */
export class Member implements Disposable {
  readonly #cleanup: DisposableStack;
  readonly #unneeded: RemoteFd[] = [];
  /** To undo with: closed by {@linkcode commit}, by {@linkcode swapBack}, or at the end. */
  #kept: RemoteFd[] = [];
  #loan: RemoteSyscalls | undefined;
  #abandoned = false;
  /** What {@linkcode makeRoom} has changed, for as long as there is a loan. */
  #room: FileRoom | undefined;
  readonly pidfd: OurFd;
  #facts: MemberFacts;

  private constructor(readonly tracee: Tracee) {
    const { pid, mainTid, tids } = tracee;
    using cleanup = new DisposableStack();
    cleanup.use(tracee);
    this.#facts = readFacts(tracee);
    requireTriedFilter(tracee, this.#facts.status);
    tracee.setSeccompMode(this.#facts.status.seccomp);
    const apart = withOwnDescriptors(mainTid, tids);
    if (apart.length > 0) {
      throw new RefusedError(
        `Cannot move process ${pid}: its threads ${apart.join(", ")} have descriptors of their own`,
      );
    }
    this.pidfd = openPidfd(pid, mainTid);
    cleanup.defer(() => close(this.pidfd));
    this.#cleanup = cleanup.move();
  }

  /** Of a stopped process. Throws when it cannot be one, and lets it go. */
  static of(tracee: Tracee): Member {
    return new Member(tracee);
  }

  get stat(): Stat {
    return this.#facts.stat;
  }

  get status(): Status {
    return this.#facts.status;
  }

  get fds(): readonly Descriptor[] {
    return this.#facts.fds;
  }

  /** What it is now, after it ran. Throws TraceeDiedError. */
  readAgain(): void {
    this.#facts = readFacts(this.tracee);
    this.tracee.setSeccompMode(this.#facts.status.seccomp);
  }

  /** Stop `process`, or say why that is not allowed. Throws as Gate.seize() does. */
  static *seizing(process: ProcessIdentity, deadline: Deadline, gate: Gate): Waits<Member> {
    const [seized] = yield* Member.seizingAll([process], deadline, gate);
    return memberOf(process.pid, seized!);
  }

  /**
   * Stop all of `processes` that `gate` admits, at the same time. For each there is one result, of which
   * {@linkcode memberOf} makes a member or an error. What can be looked up while they run is looked up before the first is
   * asked.
   */
  static *seizingAll(
    processes: readonly ProcessIdentity[],
    deadline: Deadline,
    gate: Gate,
  ): Waits<Settled<Member>[]> {
    const pids = processes.map(({ pid }) => pid);
    for (const pid of pids) TRACE_SESSION.returnSites.findEarly(pid);
    const freezers = new FreezerWatch(pids);
    const frozen = freezers.look();
    awaitBlockedCalls(pids);
    const stopped: Settled<Member>[] = [];
    const timeoutSeconds = deadline.seconds;
    let asked: Settled<AskedProcess>[] = [];
    try {
      asked = processes.map((process) =>
        settled(() => {
          if (frozen.has(process.pid)) throw frozen.get(process.pid);
          return gate.ask(process, { timeoutSeconds, deadline });
        })
      );
      for (const one of asked) stopped.push("error" in one ? one : yield* memberFrom(one.value));
    } catch (error) {
      using all = new DisposableStack();
      for (const one of asked) if ("value" in one) all.defer(() => one.value.callOff(error));
      for (const one of stopped) if ("value" in one) all.use(one.value);
      throw error;
    }
    // In version 2 of cgroups one that is frozen stops all the same, and does nothing that is asked of it then.
    const frozenNow = freezers.look();
    return stopped.map((one, index) => {
      const error = frozenNow.get(pids[index]!);
      if ("error" in one || error === undefined) return one;
      one.value[Symbol.dispose]();
      return { error };
    });
  }

  get pid(): number {
    return this.tracee.pid;
  }

  /** The terminal it is on, with its descriptors there. */
  get terminal(): OldTerminal | undefined {
    return oldTerminal(this.stat.ttyNr, this.fds);
  }

  /** Whether it may open `count` more files. */
  hasRoom(count: number): boolean {
    const soft = readOpenFilesLimit(this.pid, this.tracee.mainTid)?.soft ?? Infinity;
    return this.#limitFor(soft, count, -1) <= soft;
  }

  #limitFor(soft: number, count: number, highest: number): number {
    const used = this.fds.map(({ fd }) => fd);
    return limitFor({ soft, used, first: FIRST_FREE, count, highest });
  }

  /**
   * From now on it may open `count` more files, and `highest` over what is open there. To be asked for at first: once the
   * shell has seen the job stop, that cannot be undone. Throws RefusedError.
   */
  makeRoom(count: number, highest: number): void {
    const before = readOpenFilesLimit(this.pid, this.tracee.mainTid);
    const needed = before && this.#limitFor(before.soft, count, highest);
    if (before === undefined || needed === undefined || needed <= before.soft) return;
    // The first thing to be done in a loan is the last one that is undone.
    runToCompletion(this.restoreState());
    this.#room = new FileRoom(before, needed);
    try {
      this.withRemote(() => {});
    } catch (error) {
      this.#room = undefined;
      throw error;
    }
  }

  /**
   * Do something in the process' name. Where it has a safety net, its registers stay on loan for all that follows, up to
   * {@linkcode restoreState}: as long as they do, what has been done is undone by the process itself if we are killed.
   */
  withRemote<T>(action: (remote: RemoteSyscalls) => T): T {
    return runToCompletion(this.withRemoteSteps(inOneStep(action)));
  }

  /** {@linkcode withRemote} in steps; without a safety net in one step, for the loan is to be short then. */
  *withRemoteSteps<T>(action: (remote: RemoteSyscalls) => Steps<T>): Steps<T> {
    if (this.#loan !== undefined) return yield* action(this.#loan);
    const remote = RemoteSyscalls.begin(this.tracee);
    if (!remote.hasSigframes) {
      return this.#doAtOnce(remote, (remote) => runToCompletion(action(remote)));
    }
    this.#loan = remote;
    if (this.#room !== undefined) yield* this.#room.raise(remote);
    return yield* action(remote);
  }

  #doAtOnce<T>(remote: RemoteSyscalls, action: (remote: RemoteSyscalls) => T): T {
    using _ = remote;
    const room = this.#room;
    if (room === undefined) return action(remote);
    runToCompletion(room.raise(remote));
    try {
      return action(remote);
    } finally {
      runToCompletion(room.lower(remote));
    }
  }

  /** As {@linkcode withRemote}, to undo something; not after {@linkcode leaveToSigframes}, when the process does that itself. */
  undo(action: (remote: RemoteSyscalls) => void): void {
    runToCompletion(this.undoSteps(inOneStep(action)));
  }

  /** {@linkcode undo} in steps. */
  *undoSteps(action: (remote: RemoteSyscalls) => Steps<void>): Steps<void> {
    if (!this.#abandoned) yield* this.withRemoteSteps(action);
  }

  /**
   * Leave it to the process to undo what has been done, which it does when it is let go. For when requests of ours to it
   * fail: then we do not know how far it is. It takes the registers to be on loan, and a safety net.
   */
  leaveToSigframes(): void {
    this.#abandoned = this.#loan !== undefined;
    this.#loan?.leaveToSigframes();
    this.#loan = undefined;
    this.#unneeded.length = 0;
    this.#kept.length = 0;
  }

  /** Have a descriptor of the process closed by {@linkcode restoreState}. */
  closeLater(fd: RemoteFd): void {
    this.#unneeded.push(fd);
  }

  /** What has been done is to stay, also if we are killed. */
  commit(): void {
    this.#loan?.commit([...this.#unneeded, ...this.#kept]);
    this.#needNoMore(this.#kept);
  }

  /** Give the process its registers back, with nothing left open that it needs no more. */
  *restoreState(): Steps<void> {
    try {
      const unneeded = this.#unneeded.splice(0);
      if (unneeded.length === 0) return;
      yield* this.withRemoteSteps((remote) => closeAll(remote, unneeded));
    } finally {
      const loan = this.#loan;
      this.#loan = undefined;
      if (loan !== undefined) yield* this.#ending(loan);
    }
  }

  *#ending(loan: RemoteSyscalls): Steps<void> {
    try {
      if (this.#room !== undefined) yield* this.#room.lower(loan);
    } finally {
      yield* loan.restoreState();
    }
  }

  /** Open in the process what `sent` has. */
  *receiveFds(sent: FdsToSend): Steps<ReceivedFds> {
    if (countOf(sent) === 0) return NOTHING;
    return yield* this.withRemoteSteps((remote) =>
      sendNamedFds(remote, this.pidfd, sent, this.fds)
    );
  }

  /** Close what {@linkcode receiveFds} has opened. */
  closeReceivedFds(received: ReceivedFds): void {
    const fds = allOf(received);
    if (fds.length > 0) this.undo((remote) => runToCompletion(closeAll(remote, fds)));
  }

  /** {@linkcode copyOldFds}, until what is done is to stay or has been undone. */
  *keepOldFds(remote: RemoteSyscalls, plan: MovePlan): Steps<(RemoteFd | undefined)[]> {
    return yield* copyOldFds(remote, plan, (fd) => this.#kept.push(fd));
  }

  /** Undo a swap with what {@linkcode keepOldFds} kept. */
  swapBack(plan: MovePlan, old: readonly (RemoteFd | undefined)[]): void {
    this.undo((remote) => {
      const current = runToCompletion(copyOldFds(remote, plan, (fd) => this.closeLater(fd)));
      runToCompletion(swapDescriptors(remote, plan, old, current));
      this.#kept = this.#kept.filter((fd) => !old.includes(fd));
    });
  }

  #needNoMore(fds: RemoteFd[]): void {
    this.#unneeded.push(...fds.splice(0));
  }

  [Symbol.dispose](): void {
    using _ = this.#cleanup;
    this.#needNoMore(this.#kept);
    runToCompletion(this.restoreState());
  }
}

const NOTHING: ReceivedFds = {
  replacements: [],
  controlling: undefined,
  oldControlling: undefined,
};

function inOneStep<T>(action: (remote: RemoteSyscalls) => T): (remote: RemoteSyscalls) => Steps<T> {
  // deno-lint-ignore require-yield
  return function* (remote) {
    return action(remote);
  };
}

/** One that is given up is nobody's result: it is thrown. */
function* memberFrom(asked: AskedProcess): Waits<Settled<Member>> {
  try {
    return { value: Member.of(yield* asked.stopping()) };
  } catch (error) {
    if (error instanceof GivenUpError) throw error;
    return { error };
  }
}
