/** Calls that a stop of ours has broken, and nothing else: they are made again. */
import { architectureOf, type BlockedCall } from "../../arch/mod.ts";
import { SyscallError, TraceeDiedError } from "../../errors.ts";
import { takeBlockedCall } from "../../tracee/blocked_calls.ts";
import { getRegisters } from "../../tracee/ptrace.ts";
import { restartOnRelease } from "../../tracee/release.ts";
import type { Thread } from "./table.ts";

/** What `act` gives; `undefined` when the thread is gone. */
export function unlessDead<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof TraceeDiedError || error instanceof SyscallError) return undefined;
    throw error;
  }
}

/** See `withRestart` of src/arch: a call that only the stop made return EINTR is made again. */
export function restartCall(thread: Thread, signal = 0): void {
  const { tid } = thread;
  const blocked = takeBlockedCall(tid) ?? thread.broken;
  thread.broken = undefined;
  unlessDead(() => restartOnRelease(tid, signal, blocked));
}

/** At a syscall-exit-stop: what `thread` is coming out of. */
export function callLeft({ tid, firstArgument }: Thread): BlockedCall | undefined {
  return unlessDead(() => {
    const registers = getRegisters(tid);
    return architectureOf(registers.length)?.earlyRestart?.callOf(registers, firstArgument);
  });
}
