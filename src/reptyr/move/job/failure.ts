/** What is done about an error in the middle of a move. */
import { firstsOf } from "../../../errors.ts";
import { HeldUpError, PtraceError, SyscallError } from "../../../errors.ts";
import { verbose } from "../../../log.ts";
import { interleave } from "../../../tracee/steps.ts";
import type { Member } from "./member.ts";

/**
 * When a request to a thread fails that must not, or one is held up, it is left to the members to undo what has been done to
 * them. After any other error we can do that ourselves, and better.
 */
export function leaveToSigframesOnFailure<T>(members: readonly Member[], action: () => T): T {
  try {
    return action();
  } catch (error) {
    const outOfReach = firstsOf(error).find((one) =>
      one instanceof HeldUpError || one instanceof PtraceError
    );
    if (outOfReach === undefined) throw error;
    for (const member of members) member.leaveToSigframes();
    throw outOfReach;
  }
}

/**
 * What has been done to `members` is to stay: from the moment that it is for the first of them. A failure with others is
 * none: they are given their registers back all the same, unless this program is killed before.
 */
export function commitAll(members: readonly Member[]): void {
  for (const member of members) {
    try {
      member.commit();
    } catch (error) {
      if (!(error instanceof SyscallError) || member === members[0]) throw error;
      verbose(error.message);
    }
  }
}

/** Give the members of a committed job their registers back. Where that fails they come back to themselves. */
export function restoreCommitted(
  job: { restoreState(): void; leaveToSigframes(): void },
): void {
  try {
    job.restoreState();
  } catch (error) {
    for (const one of firstsOf(error)) {
      if (!(one instanceof SyscallError || one instanceof HeldUpError)) throw error;
      verbose(one.message);
    }
    job.leaveToSigframes();
  }
}

/** Give all members their registers back, the target last. Every one is tried, whatever goes wrong with others. */
export function restoreAll(members: readonly Member[]): void {
  interleave(members.toReversed().map((member) => member.restoreState()));
}
