/** Requests that must not fail. */
import { SyscallError } from "../errors.ts";
import type { Steps } from "./steps.ts";

/** How often what must not fail is tried. */
const TRIES = 3;

/**
 * Retries a request, or a call in the name of a thread, that must not fail: giving up would strand the thread on our
 * registers, with a broken call, or half changed. What an injected call has done is known only once its result has been
 * read.
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
