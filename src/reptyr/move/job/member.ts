/** One process of the job while it is stopped, and what is to be done with it. */
import { type OurFd } from "../../../brands.ts";
import { RefusedError } from "../../../errors.ts";
import { close } from "../../../ffi/descriptor.ts";
import type { Descriptor } from "../../../proc/fds.ts";
import type { Stat } from "../../../proc/stat.ts";
import type { Status } from "../../../proc/status.ts";
import type { Tracee } from "../../../tracee/tracee.ts";
import { type OldTerminal, oldTerminal } from "../../inspect/old_terminal.ts";
import { withOwnDescriptors } from "../descriptors/kcmp.ts";
import { type MemberFacts, openPidfd, readFacts } from "./member_facts.ts";
import { MemberScope } from "./member_scope.ts";
import { requireTriedFilter } from "./seized.ts";

/** A stopped process of the job. Disposing lets it go as it is then. */
export class Member extends MemberScope implements Disposable {
  readonly #cleanup: DisposableStack;
  readonly pidfd: OurFd;
  #facts: MemberFacts;

  private constructor(readonly tracee: Tracee) {
    super(tracee);
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

  get pid(): number {
    return this.tracee.pid;
  }

  /** The terminal it is on, with its descriptors there. */
  get terminal(): OldTerminal | undefined {
    return oldTerminal(this.stat.ttyNr, this.fds);
  }

  [Symbol.dispose](): void {
    using _ = this.#cleanup;
    this.end();
  }
}
