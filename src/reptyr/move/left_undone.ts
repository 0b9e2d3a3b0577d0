/** What members could not undo by themselves if this program were killed in the middle of a move, because of seccomp(2). */
import { verbose, writeStderr } from "../../log.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import type { Member } from "./job/member.ts";

/** To be called before the first change: a process without a sigframe stack ends if we are killed in the wrong millisecond. */
export function warnOfForbiddenReturns(members: readonly Member[]): void {
  for (const { pid, tracee } of members) {
    if (!tracee.isReturnForbidden) continue;
    writeStderr(
      `reptyr: warning: Process ${pid} may end if this reptyr is killed by SIGKILL while it moves it: ` +
        "its seccomp filter forbids rt_sigreturn(2)",
    );
  }
}

/** To be called after the move, which knows by then. */
export function tellLeftUndone(members: readonly Member[]): void {
  for (const { pid, tracee: { leftUndone } } of members) {
    if (leftUndone.size === 0) continue;
    verbose(
      `The seccomp filter of process ${pid} forbids ${[...leftUndone].sort().join(", ")}: ` +
        "a reptyr killed in the middle of the move would have left undone what these undo",
    );
  }
}

/** How long members ran with our registers. */
export function tellScopes(): void {
  const { count, bare, longestMs, totalMs } = TRACE_SESSION.scopeTimes.soFar;
  const microseconds = (milliseconds: number) => Math.round(milliseconds * 1000);
  verbose(
    `Remote scopes: ${count}, at most ${microseconds(longestMs)} us, ` +
      `together ${microseconds(totalMs)} us, ${bare} without a sigframe stack`,
  );
}
