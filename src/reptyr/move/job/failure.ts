/** What is done about an error in the middle of a move. */
import { interleave } from "../../../tracee/steps.ts";
import { firstOf, HeldUpError, PtraceError, SyscallError } from "../../../errors.ts";
import { verbose } from "../../../log.ts";
import type { Member } from "./member.ts";

/**
 * When a request to a thread fails that must not, or one is held up, it is left to the members to undo what has been done to
 * them. After any other error we can do that ourselves, and better.
 */
export function leaveToSigframesOnFailure<T>(members: readonly Member[], action: () => T): T {
  try {
    return action();
  } catch (error) {
    const first = firstOf(error);
    if (first instanceof HeldUpError || first instanceof PtraceError) {
      for (const member of members) member.leaveToSigframes();
      throw first;
    }
    throw error;
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
    const first = firstOf(error);
    if (!(first instanceof SyscallError || first instanceof HeldUpError)) throw error;
    verbose(first.message);
    job.leaveToSigframes();
  }
}

/** Give all members their registers back, the target last. Every one is tried, whatever goes wrong with others. */
export function restoreAll(members: readonly Member[]): void {
  interleave(members.toReversed().map((member) => member.restoreState()));
}
