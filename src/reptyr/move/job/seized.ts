/** Attempts to stop several processes at the same time: what has come of each is asked for later. */
import { PtraceError } from "../../../errors.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import { readCommand } from "../../../proc/command.ts";
import { livingThread } from "../../../proc/stat.ts";
import { readStatus, type Status } from "../../../proc/status.ts";
import type { Tracee } from "../../../tracee/tracee.ts";
import { attachFailure } from "../../inspect/preflight.ts";
import { underSeccomp } from "../../inspect/refusals.ts";

/** What has come of an attempt. */
export type Settled<T> = { readonly value: T } | { readonly error: unknown };

export function settled<T>(action: () => T): Settled<T> {
  try {
    return { value: action() };
  } catch (error) {
    return { error };
  }
}

/** Whether process `pid` runs under a seccomp filter. */
export function isFiltered(pid: number): boolean {
  return (readStatus(pid, livingThread(pid))?.seccomp ?? 0) !== 0;
}

/** The member, or a throw that says why process `pid` is none. */
export function memberOf<M>(pid: number, seized: Settled<M>): M {
  if (!("error" in seized)) return seized.value;
  const { error } = seized;
  if (!isAttachForbidden(error)) throw error;
  if (!isFiltered(pid)) throw attachFailure(pid);
  throw underSeccomp({ pid, command: readCommand(pid) ?? "" });
}

/** Other calls that make a member may be forbidden, too, and for other reasons. */
function isAttachForbidden(error: unknown): boolean {
  return error instanceof PtraceError && error.errno === ERRNO.EPERM;
}

/**
 * For a process that makes our calls under its filter: one that was born meanwhile may have more filters than this program,
 * and so than have been tried. Throws RefusedError.
 */
export function requireTriedFilter({ pid, suspendsFilter }: Tracee, status: Status): void {
  if (suspendsFilter || status.seccomp === 0) return;
  if (status.seccompFilters === readStatus(Deno.pid)?.seccompFilters) return;
  throw underSeccomp({ pid, command: readCommand(pid) ?? "" }, true);
}
