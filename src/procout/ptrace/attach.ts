/** Becoming the tracer of every thread of every process that is to be watched. */
import { SyscallError, TraceeDiedError } from "../../errors.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { listTids, readChildren } from "../../proc/tasks.ts";
import { awaitBlockedCalls, awaitBlockedCallsOf } from "../../tracee/blocked_calls.ts";
import { interrupt, seize } from "../../tracee/ptrace.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import { hasExited } from "../../tracee/wait.ts";
import type { WatchRequest } from "../engine.ts";
import { attachFailure, isTracedByUs } from "../preflight.ts";
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
  awaitBlockedCalls(known);
  for (let found = true, passes = 0; found; passes++) {
    found = false;
    for (const pid of pids) {
      const tids = listTids(pid) ?? [];
      const fresh = tids.filter((tid) => !seen.has(tid));
      const isExcluded = request.excludedPids?.has(pid) === true;
      if (!isExcluded && (passes > 0 || !asked.has(pid))) awaitBlockedCallsOf(pid, fresh);
      for (const tid of fresh) {
        seen.add(tid);
        found = true;
        if (isExcluded) continue;
        if (seizeThread(pid, tid, options, asked.has(pid))) {
          stops.add(pid, tid).interrupted = true;
          askToStop(pid, tid);
        }
      }
      if (request.follow) {
        for (const child of tids.flatMap((tid) => readChildren(pid, tid))) {
          if (child !== Deno.pid) pids.add(child);
        }
      }
    }
  }
}

/** Whether it is ours now. A descendant that nobody asked for by its number may be kept from us. */
export function seizeThread(
  pid: number,
  tid: number,
  options: number,
  mustSucceed = true,
): boolean {
  try {
    seize(tid, options);
    return true;
  } catch (error) {
    if (error instanceof TraceeDiedError) return false;
    if (!(error instanceof SyscallError)) throw error;
    const isEperm = error.errno === ERRNO.EPERM;
    if (isEperm && (hasExited(pid, tid) || isTracedByUs(tid) || !mustSucceed)) return false;
    throw isEperm ? attachFailure(pid) : error;
  }
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
