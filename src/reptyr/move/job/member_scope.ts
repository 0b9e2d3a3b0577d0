/** The time in which calls are made in a member's name, with what is undone, or closed, at its end. */
import type { RemoteFd } from "../../../brands.ts";
import { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { runToCompletion, type Steps } from "../../../tracee/steps.ts";
import type { Tracee } from "../../../tracee/tracee.ts";
import type { FileRoom } from "../descriptors/file_room.ts";
import { closeAll } from "../descriptors/remote_fd.ts";

/**
 * The registers of a stopped process, from the first call in its name to {@linkcode MemberScope.restoreState}. Where the
 * process has a sigframe stack, they stay ours in between.
 */
export class MemberScope {
  readonly #tracee: Tracee;
  readonly #unneeded: RemoteFd[] = [];
  /** To undo with: closed by {@linkcode commit}, by {@linkcode stopKeeping}, or at the end. */
  #kept: RemoteFd[] = [];
  #scope: RemoteSyscalls | undefined;
  #isLeftToSigframes = false;
  /** What {@linkcode useRoom} has set, raised for as long as there is a scope. */
  #room: FileRoom | undefined;

  constructor(tracee: Tracee) {
    this.#tracee = tracee;
  }

  /**
   * Do something in the process' name. Where it has a sigframe stack, the scope stays open for all that follows, up to
   * {@linkcode restoreState}: as long as they do, what has been done is undone by the process itself if we are killed.
   */
  withRemote<T>(action: (remote: RemoteSyscalls) => T): T {
    return runToCompletion(this.withRemoteSteps(inOneStep(action)));
  }

  /** {@linkcode withRemote} in steps; without a sigframe stack in one step, because the scope is to be short then. */
  *withRemoteSteps<T>(action: (remote: RemoteSyscalls) => Steps<T>): Steps<T> {
    if (this.#scope !== undefined) return yield* action(this.#scope);
    const remote = RemoteSyscalls.begin(this.#tracee);
    if (!remote.hasSigframes) {
      return this.#doAtOnce(remote, (remote) => runToCompletion(action(remote)));
    }
    this.#scope = remote;
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
    if (!this.#isLeftToSigframes) yield* this.withRemoteSteps(action);
  }

  /**
   * Leave it to the process to undo what has been done, which it does when it is let go. For when requests of ours to it
   * fail: then we do not know how far it is. It takes an open scope with a sigframe stack.
   */
  leaveToSigframes(): void {
    this.#isLeftToSigframes = this.#scope !== undefined;
    this.#scope?.leaveToSigframes();
    this.#scope = undefined;
    this.#unneeded.length = 0;
    this.#kept.length = 0;
  }

  /** Have a descriptor of the process closed by {@linkcode restoreState}. */
  closeLater(fd: RemoteFd): void {
    this.#unneeded.push(fd);
  }

  /** What has been done is to stay, also if we are killed. */
  commit(): void {
    this.#scope?.commit([...this.#unneeded, ...this.#kept]);
    this.#needNoMore(this.#kept);
  }

  /** Give the process its registers back, with nothing left open that it needs no more. */
  *restoreState(): Steps<void> {
    try {
      const unneeded = this.#unneeded.splice(0);
      if (unneeded.length === 0) return;
      yield* this.withRemoteSteps((remote) => closeAll(remote, unneeded));
    } finally {
      const scope = this.#scope;
      this.#scope = undefined;
      if (scope !== undefined) yield* this.#ending(scope);
    }
  }

  *#ending(scope: RemoteSyscalls): Steps<void> {
    try {
      if (this.#room !== undefined) yield* this.#room.lower(scope);
    } finally {
      yield* scope.restoreState();
    }
  }

  /** Raise the limit of open files as `room` says, from now on. Throws when that fails; the limit is as before then. */
  useRoom(room: FileRoom): void {
    // The first thing that is done in a scope is the last one that is undone.
    runToCompletion(this.restoreState());
    this.#room = room;
    try {
      this.withRemote(() => {});
    } catch (error) {
      this.#room = undefined;
      throw error;
    }
  }

  /** Keep a descriptor of the process open until what is done is to stay, or until the end. */
  keepToUndo(fd: RemoteFd): void {
    this.#kept.push(fd);
  }

  /** They have been used up in undoing. */
  stopKeeping(fds: readonly (RemoteFd | undefined)[]): void {
    this.#kept = this.#kept.filter((fd) => !fds.includes(fd));
  }

  /** Close what was kept to undo with, and give the process its registers back. */
  end(): void {
    this.#needNoMore(this.#kept);
    runToCompletion(this.restoreState());
  }

  #needNoMore(fds: RemoteFd[]): void {
    this.#unneeded.push(...fds.splice(0));
  }
}

function inOneStep<T>(action: (remote: RemoteSyscalls) => T): (remote: RemoteSyscalls) => Steps<T> {
  // deno-lint-ignore require-yield
  return function* (remote) {
    return action(remote);
  };
}
