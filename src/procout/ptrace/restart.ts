/** Calls that a stop of ours has broken, and nothing else: they are made again. */
import { architectureOf, ASK_BEFORE_STOP, type BlockedCall } from "../../arch/mod.ts";
import { SyscallError, TraceeDiedError } from "../../errors.ts";
import { getRegisters, interrupt, setRegisters } from "../../tracee/ptrace.ts";
import { hasSignalToHandle, restartOnRelease } from "../../tracee/release.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import type { Thread } from "./table.ts";
import { isBrokenBySignalOnly, timeLimit } from "./time_limit.ts";

/** What `act` gives; `undefined` when the thread is gone. */
export function unlessDead<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof TraceeDiedError || error instanceof SyscallError) return undefined;
    throw error;
  }
}

/**
 * See `withRestart` of src/arch: a call that only the stop made return EINTR is made again. Whether there may be such a
 * call.
 */
export function restartCall(thread: Thread, signal = 0): boolean {
  const { tid } = thread;
  const blocked = TRACE_SESSION.blockedCalls.take(tid) ?? thread.broken;
  thread.broken = undefined;
  const isBroken = unlessDead(() => restartOnRelease(tid, signal, blocked)) ?? false;
  // It returns EINTR then; the same call after that, from the same place, is a new one.
  if (thread.again !== undefined && unlessDead(() => hasSignalToHandle(tid, signal)) !== false) {
    thread.again = undefined;
  }
  return isBroken;
}

/** At an entry: whether `thread` makes the call once more that was broken, which keeps its time then. */
export function entersAgain(thread: Thread): void {
  const { tid, again } = thread;
  thread.limit = undefined;
  thread.again = undefined;
  thread.brokenRegisters = undefined;
  if (again === undefined) return;
  const call = unlessDead(() => {
    const registers = getRegisters(tid);
    return architectureOf(registers.length)?.callOf(registers);
  });
  if (call !== undefined && isSameCall(call, again.call)) thread.limit = again;
}

/**
 * At an exit with EINTR: the call is to be made again, for as long as its time is not over. Once that is, it returns
 * what it returns then; but not if a handler is about to run, before which it was broken.
 */
export function leavesBroken(thread: Thread): void {
  unlessDead(() => {
    const { tid, limit } = thread;
    const registers = getRegisters(tid);
    const arch = architectureOf(registers.length);
    if (arch === undefined) return;
    const call = limit?.call ?? arch.callOf(registers, thread.firstArgument);
    if (ASK_BEFORE_STOP) thread.broken = call;
    const again = limit ?? timeLimit(thread, arch, call);
    const isOver = again !== undefined && performance.now() >= again.end;
    if (isOver && !hasSignalToHandle(tid, 0)) {
      setRegisters(tid, arch.withResult(registers, again.result));
      thread.broken = undefined;
      return;
    }
    thread.again = again;
    // Where the processor decides before the stop, a second look cannot tell a handled signal from none: there it stays EINTR.
    const mayRepair = !ASK_BEFORE_STOP && isBrokenBySignalOnly(thread, arch, call);
    if (!isOver && !mayRepair) return;
    // Another thread may take that signal. Only a further stop shows it: this one has taken the interrupt away.
    thread.interrupted = true;
    thread.brokenRegisters = registers;
    interrupt(tid);
  });
}

/**
 * Job control's stop would have broken the call without us, too: it returns EINTR as it has, although it was to be made again.
 */
export function keepBroken(thread: Thread): void {
  const { tid, brokenRegisters } = thread;
  thread.again = undefined;
  if (brokenRegisters !== undefined) unlessDead(() => setRegisters(tid, brokenRegisters));
}

function isSameCall(one: BlockedCall, other: BlockedCall): boolean {
  return one.number === other.number && one.stackPointer === other.stackPointer &&
    one.instructionPointer === other.instructionPointer &&
    one.args.every((value, index) => value === other.args[index]);
}
