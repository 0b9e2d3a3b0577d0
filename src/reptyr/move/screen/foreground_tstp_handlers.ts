/** Who of a job drives the screen. Pure. */

import { descendantsOf, type ProcessPlace } from "../../inspect/job_members.ts";

/** What the decision needs to know of a member that goes on. */
export interface Candidate extends ProcessPlace {
  readonly catchesStop: boolean;
}

/**
 * Those to ask: members of the terminal's foreground group who handle SIGTSTP. Of a chain of them, as sudo and an
 * editor, the last: the others would pass the question on.
 */
export function foregroundTstpHandlers(
  candidates: readonly Candidate[],
  foreground: number,
): number[] {
  const able = candidates.filter(({ pgrp, catchesStop }) => pgrp === foreground && catchesStop);
  return able.map(({ pid }) => pid).filter((pid) => {
    const below = descendantsOf(pid, candidates);
    return !able.some((other) => below.has(other.pid));
  });
}
