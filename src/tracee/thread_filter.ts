/** The seccomp filters of the thread that makes calls of ours: what they allow, and their suspension. */
import type { Architecture } from "../arch/mod.ts";
import {
  PTRACE_O_SUSPEND_SECCOMP,
  PTRACE_O_TRACESYSGOOD,
  SECCOMP_MODE_DISABLED,
} from "../ffi/constants.ts";
import { readStatus } from "../proc/status.ts";
import { type CallFilter, readCallFilter } from "./call_filter.ts";
import { setOptions } from "./ptrace.ts";

export class ThreadFilter {
  #filter: CallFilter | null | undefined;
  #isSuspended = false;

  /** `suspends`: whether the thread makes our calls without its filters. */
  constructor(
    readonly pid: number,
    readonly tid: number,
    readonly arch: Architecture,
    readonly suspends: boolean,
  ) {}

  /**
   * What the thread may call by itself; `undefined` where it is under no filter. Throws SyscallError when it is and the
   * filter cannot be suspended: calls of ours might end the process then.
   */
  get callFilter(): CallFilter | undefined {
    if (this.#filter === undefined) {
      this.setMode(readStatus(this.pid, this.tid)?.seccomp ?? SECCOMP_MODE_DISABLED);
    }
    return this.#filter ?? undefined;
  }

  /** For a caller that has read already in which mode of seccomp(2) the thread was stopped. Throws as {@linkcode callFilter}. */
  setMode(mode: number): void {
    if (mode === SECCOMP_MODE_DISABLED || !this.suspends) {
      this.#filter = null;
      return;
    }
    this.suspend(true);
    this.suspend(false);
    this.#filter = readCallFilter(this.tid, this.arch, mode);
  }

  /** PTRACE_O_* bits that the thread has just now. */
  get options(): number {
    return PTRACE_O_TRACESYSGOOD | (this.#isSuspended ? PTRACE_O_SUSPEND_SECCOMP : 0);
  }

  /** Suspend the filter, in which time the thread is not to make a call of its own; or end that. */
  suspend(on: boolean): void {
    setOptions(this.tid, PTRACE_O_TRACESYSGOOD | (on ? PTRACE_O_SUSPEND_SECCOMP : 0));
    this.#isSuspended = on;
  }
}
