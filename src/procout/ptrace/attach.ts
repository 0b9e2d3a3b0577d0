/** Becoming the tracer of every thread of every process that is to be watched. */
import { SyscallError, TraceeDiedError } from "../../errors.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { readStat } from "../../proc/stat.ts";
import { listTids, readChildren } from "../../proc/tasks.ts";
import { awaitBlockedCalls, awaitBlockedCallsOf } from "../../tracee/blocked_calls.ts";
import { interrupt } from "../../tracee/ptrace.ts";
import { isOtherFirst, seizeLiving, type Seizure } from "../../tracee/seize_living.ts";
import { breakableFirst } from "../../tracee/stop_threads.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import type { WatchRequest } from "../engine.ts";
import { attachFailure } from "../preflight.ts";
import type { Stops } from "./stops.ts";

/**
 * Seize all threads of the `known` processes, and with `follow` of their descendants, with the PTRACE_O_* bits `options`, and
 * ask them to stop; Stops lets them go on from there. Threads and children may be born meanwhile: until a pass finds
 * no new one. Throws RefusedError where one of the processes asked for may not be traced.
 */
export function attachAll(
  stops: Stops,
  request: WatchRequest,
  options: number,
  known: readonly number[] = request.pids,
): void {
  const seen = new Set<number>();
  const asked = new Set(request.pids);
  const pids = new Set(known);
  const refused = new Set<number>();
  awaitBlockedCalls(known);
  for (let found = true, passes = 0; found; passes++) {
    found = false;
    for (const pid of pids) {
      const tids = listTids(pid) ?? [];
      const isExcluded = request.excludedPids?.has(pid) === true;
      const isKnown = seen.has(pid) && !isExcluded && !refused.has(pid);
      if (isKnown && isOtherFirst(pid)) seen.delete(pid);
      const fresh = tids.filter((tid) => !seen.has(tid));
      if (!isExcluded && (passes > 0 || !asked.has(pid))) awaitBlockedCallsOf(pid, fresh);
      // A signal that the process ignores would wake a thread that is not ours yet, and break its call.
      for (const tid of breakableFirst(pid, fresh)) {
        seen.add(tid);
        found = true;
        if (isExcluded) continue;
        const seizure = trySeize(pid, tid, options, asked.has(pid));
        if (seizure === "refused") refused.add(pid);
        if (seizure !== "seized") continue;
        const now = isThere(pid, tid) ? tid : pid;
        stops.add(pid, now).interrupted = true;
        askToStop(pid, now);
      }
      if (request.follow) {
        for (const child of tids.flatMap((tid) => readChildren(pid, tid))) {
          if (child !== Deno.pid) pids.add(child);
        }
      }
    }
  }
}

/** Whether it is ours now. Throws RefusedError when the kernel keeps it from us. */
export function seizeThread(pid: number, tid: number, options: number): boolean {
  return trySeize(pid, tid, options, true) === "seized";
}

/** A descendant that nobody asked for by its number may be kept from us. */
function trySeize(
  pid: number,
  tid: number,
  options: number,
  mustSucceed: boolean,
): Seizure | "refused" {
  try {
    return seizeLiving(pid, tid, options);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== ERRNO.EPERM) throw error;
    if (!mustSucceed) return "refused";
    throw attachFailure(pid);
  }
}

/** PTRACE_SEIZE waits for an execve(2) to end: the thread that made it has the number of the first since. */
function isThere(pid: number, tid: number): boolean {
  return tid === pid || readStat(pid, tid) !== undefined;
}

function askToStop(pid: number, tid: number): void {
  try {
    TRACE_SESSION.blockedCalls.note(pid, tid);
    interrupt(tid);
  } catch (error) {
    // It ended in between; its end is reported to us.
    if (!(error instanceof TraceeDiedError)) throw error;
  }
}
