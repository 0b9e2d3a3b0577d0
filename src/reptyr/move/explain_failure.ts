/** A move that failed, in words for the user: what went wrong, what has become of the process, and what to do. */
import { hasFailedUndoing } from "../../errors.ts";
import { firstOf, RefusedError, RemoteSyscallError, SyscallError } from "../../errors.ts";
import { isLive, readStat, type Stat } from "../../proc/stat.ts";
import { explainTimeout } from "../../tracee/frozen.ts";
import type { PreflightFacts } from "../inspect/preflight_facts.ts";

/**
 * A system call that failed where none should, in words for the user. Putting things back has failed too when the
 * error came to suppress another.
 */
export function explainFailure(error: unknown, { pid, stat }: PreflightFacts): unknown {
  const first = firstOf(error);
  if (!(first instanceof SyscallError)) {
    return explainTimeout(first, leftSession(readStat(pid), stat));
  }
  const remedies = [whatIsLeft(pid, stat, !hasFailedUndoing(error))];
  if (first.code === "ENOSYS") {
    remedies.unshift("pidfd_getfd(2) is needed, which Linux has since version 5.6");
  }
  if (first.code === "EMFILE" && !(first instanceof RemoteSyscallError)) {
    remedies.unshift("Raise RLIMIT_NOFILE where reptyr is started: ulimit -n NUMBER");
  }
  return new RefusedError(`Cannot move process ${pid}: ${first.message}`, remedies, {
    cause: first,
  });
}

/** The process is on the new terminal, and that goes with us. */
export function explainUnserved(error: unknown, pid: number): unknown {
  const first = firstOf(error);
  if (!(first instanceof SyscallError)) return first;
  return new RefusedError(
    `Process ${pid} was moved, but cannot be served: ${first.message}`,
    ["Its new terminal has hung up"],
    { cause: first },
  );
}

/** What has become of process `pid`, which was `before`, when it has been let go again. */
function whatIsLeft(pid: number, before: Stat, isUndone: boolean): string {
  const now = readStat(pid);
  if (now === undefined || !isLive(now)) return "The process has ended";
  return leftSession(now, before) ?? undone(isUndone, now, before);
}

function leftSession(now: Stat | undefined, before: Stat): string | undefined {
  return now === undefined || now.session === before.session
    ? undefined
    : "It goes on where it was, but in a session of its own, which cannot be undone: no key stops or ends it there";
}

function undone(isUndone: boolean, now: Stat, before: Stat): string {
  return isUndone && now.ttyNr === before.ttyNr
    ? "All is as it was before; --verbose shows how far the move came"
    : "Not all could be put back: see whether the process still works";
}
