/** What is done about an error in the middle of a move. */
import { SyscallError } from "../errors.ts";
import type { Member } from "./member.ts";

/** What went wrong first; what then failed in putting things back is a consequence of it. */
export function firstOf(error: unknown): unknown {
  return error instanceof SuppressedError ? firstOf(error.suppressed) : error;
}

/**
 * When a request to a thread fails that must not, it is left to the members to undo what has been done to them. After any
 * other error we can do that ourselves, and better.
 */
export function abandonOnFailure<T>(members: readonly Member[], action: () => T): T {
  try {
    return action();
  } catch (error) {
    const first = firstOf(error);
    if (first instanceof SyscallError && first.call.startsWith("ptrace(")) {
      for (const member of members) member.abandon();
      throw first;
    }
    throw error;
  }
}
