/** The target's signal dispositions, by rt_sigaction(2) in the kernel's own structure. */
import { plus } from "../../../brands.ts";
import { SIG_IGN } from "../../../ffi/constants.ts";
import { Struct } from "../../../struct.ts";
import { readMemory } from "../../../tracee/remote_memory.ts";
import { DATA, type RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { retrySyscallSteps } from "../../../tracee/retry_syscall.ts";
import type { Steps } from "../../../tracee/steps.ts";
import { pushPause } from "../undo/undo_pause.ts";

/** A whole `struct sigaction` of the target, handler, flags, restorer and mask. */
export type SignalAction = Uint8Array<ArrayBuffer>;

const NEW = 0;
const OLD = 256;

/** What the target does about `signal`. */
export function* getAction(remote: RemoteSyscalls, signal: number): Steps<SignalAction> {
  const { arch } = remote.tracee;
  const old = plus(yield* remote.mapScratch(), OLD);
  yield* remote.callOrThrow("rt_sigaction", signal, 0, old, arch.sigsetSize);
  return remote.read(arch.structs.sigaction.size, OLD);
}

/** Replace what the target does about `signal`. */
export function* setAction(
  remote: RemoteSyscalls,
  signal: number,
  action: SignalAction,
): Steps<void> {
  const { arch } = remote.tracee;
  yield* remote.mapScratch();
  const address = remote.write(action, NEW);
  yield* remote.callOrThrow("rt_sigaction", signal, address, 0, arch.sigsetSize);
}

/** Make `handler`, SIG_IGN or SIG_DFL, what the target does about `signal`. */
export function* setHandler(
  remote: RemoteSyscalls,
  signal: number,
  handler: bigint,
): Steps<void> {
  const { sigaction } = remote.tracee.arch.structs;
  yield* setAction(remote, signal, new Struct(sigaction).set("sa_handler", handler).bytes);
}

/** If this program is killed, set `action` again; see `RemoteSyscalls.pushUndoFrame()`. */
function setActionIfKilled(remote: RemoteSyscalls, signal: number, action: SignalAction): void {
  const { sigsetSize } = remote.tracee.arch;
  remote.pushUndoFrame("rt_sigaction", [signal, DATA, 0, sigsetSize], { data: action });
}

/**
 * Replace what the target does about `signal`; what it did before, which it does again by itself if this program is
 * killed; before that it does what `undoMore` asks for. After a throw it does what it did, unless the thread cannot be
 * reached any more.
 */
export function* exchangeAction(
  remote: RemoteSyscalls,
  signal: number,
  action: SignalAction,
  undoMore = () => {},
): Steps<SignalAction> {
  const { arch } = remote.tracee;
  const { size } = arch.structs.sigaction;
  const set = [signal, DATA, 0, arch.sigsetSize] as const;
  const scratch = yield* remote.mapScratch();
  const address = remote.write(action, NEW);
  // Filled by the very call that makes it needed.
  const kept = remote.pushUndoFrame("rt_sigaction", set, { data: new Uint8Array(size) });
  const old = kept ?? plus(scratch, OLD);
  try {
    undoMore();
  } catch (error) {
    yield* remote.call("rt_sigaction", signal, 0, old, arch.sigsetSize);
    throw error;
  }
  yield* remote.callOrThrow("rt_sigaction", signal, address, old, arch.sigsetSize);
  try {
    return readMemory(remote.tracee.mainTid, old, size);
  } catch (error) {
    yield* remote.call("rt_sigaction", signal, old, 0, arch.sigsetSize);
    throw error;
  }
}

/** An action that ignores a signal. */
export function ignoring({ tracee }: RemoteSyscalls): SignalAction {
  return new Struct(tracee.arch.structs.sigaction).set("sa_handler", SIG_IGN).bytes;
}

/**
 * Ignore `signal` for a while, in which it may come to the target: what does that, and returns what ends it. What came
 * meanwhile is discarded. If this program is killed, the target ends it by itself; its other threads run
 * by then, and would take a signal that was not ignored. It may be about to come just then.
 */
export function* mute(
  remote: RemoteSyscalls,
  signal: number,
): Steps<(remote: RemoteSyscalls) => Steps<void>> {
  const ignore = ignoring(remote);
  const before = yield* exchangeAction(remote, signal, ignore, () => {
    setActionIfKilled(remote, signal, ignore);
    pushPause(remote);
    setActionIfKilled(remote, signal, ignore);
  });
  return function* (remote) {
    yield* retrySyscallSteps(() => setAction(remote, signal, ignore));
    yield* retrySyscallSteps(() => setAction(remote, signal, before));
  };
}

/** SIG_IGN, SIG_DFL, or the address of a function of the target. */
export function handlerOf(remote: RemoteSyscalls, action: SignalAction): bigint {
  const { sigaction } = remote.tracee.arch.structs;
  return BigInt(new Struct(sigaction, action).get("sa_handler"));
}

/**
 * Remove `signal` from the target's queues, blocked or not: setting a signal to be ignored discards
 * it where it is pending, signal(7) and POSIX sigaction(). The disposition is left as it was.
 */
export function* discardPending(remote: RemoteSyscalls, signal: number): Steps<void> {
  const before = yield* getAction(remote, signal);
  setActionIfKilled(remote, signal, before);
  yield* setHandler(remote, signal, SIG_IGN);
  yield* retrySyscallSteps(() => setAction(remote, signal, before));
}
