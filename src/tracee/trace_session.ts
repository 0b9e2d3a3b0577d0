/** All that tracing keeps from one process to the next. */
import { SECCOMP_MODE_DISABLED } from "../ffi/constants.ts";
import { readStatus } from "../proc/status.ts";
import { BlockedCalls } from "./blocked_calls.ts";
import { FurtherRegisters } from "./further_registers.ts";
import { PendingDetach } from "./pending_detach.ts";
import { ReturnSiteCache } from "./return_sites.ts";
import { ScopeTimes } from "./scope_timer.ts";

export class TraceSession {
  readonly blockedCalls = new BlockedCalls();
  readonly pendingDetach = new PendingDetach(this.blockedCalls);
  readonly scopeTimes = new ScopeTimes();
  readonly returnSites = new ReturnSiteCache();
  readonly furtherRegisters = new FurtherRegisters();
  #isFiltered: boolean | undefined;

  /** Whether this program is under a seccomp filter: it may not suspend any then. */
  get isFiltered(): boolean {
    this.#isFiltered ??= readStatus(Deno.pid)?.seccomp !== SECCOMP_MODE_DISABLED;
    return this.#isFiltered;
  }
}

/**
 * The session of this program. There is one: the kernel knows a single tracer, the thread that runs this code, and
 * wait4(2) reports a stop to whatever part of the program asks first. A thread that one part could not let go must be
 * found by every later part that seizes its process, and by the one that ends the program.
 */
export const TRACE_SESSION = new TraceSession();
