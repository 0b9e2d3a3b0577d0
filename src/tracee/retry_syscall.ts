/** Requests that must not fail. */
import { SyscallError } from "../errors.ts";
import type { Steps } from "./steps.ts";

/** How often what must not fail is tried. */
const TRIES = 3;

/**
 * A request to a thread that has our registers, or whose call is to be put right; a call in its name that can neither be
 * done without nor be undone: also when the kernel, or who stands in for it, says no at first. What an injected call has
 * done is known only once its result has been read.
 */
export function retrySyscall<T>(action: () => T, most = TRIES): T {
  for (let tries = 1;; tries++) {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof SyscallError) || tries === most) throw error;
    }
  }
}

/** {@linkcode retrySyscall} on what is done in steps; `action` begins them. */
export function* retrySyscallSteps<T>(action: () => Steps<T>, most = TRIES): Steps<T> {
  for (let tries = 1;; tries++) {
    try {
      return yield* action();
    } catch (error) {
      if (!(error instanceof SyscallError) || tries === most) throw error;
    }
  }
}
