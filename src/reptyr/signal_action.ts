/** The target's signal dispositions, by rt_sigaction(2) in the kernel's own structure. */
import { SIG_IGN } from "../ffi/constants.ts";
import { Struct } from "../struct.ts";
import { insist } from "../tracee/insist.ts";
import { DATA, type RemoteSyscalls } from "../tracee/remote_syscalls.ts";
import { pauseIfKilled } from "./undo_pause.ts";

/** A whole `struct sigaction` of the target, handler, flags, restorer and mask. */
export type SignalAction = Uint8Array<ArrayBuffer>;

const NEW = 0;
const OLD = 256;

/** What the target does about `signal`. */
export function getAction(remote: RemoteSyscalls, signal: number): SignalAction {
  const { arch } = remote.tracee;
  const old = remote.scratch + BigInt(OLD);
  remote.syscallOrThrow("rt_sigaction", signal, 0, old, arch.sigsetSize);
  return remote.read(arch.structs.sigaction.size, OLD);
}

/** Replace what the target does about `signal`. */
export function setAction(remote: RemoteSyscalls, signal: number, action: SignalAction): void {
  const { arch } = remote.tracee;
  remote.syscallOrThrow("rt_sigaction", signal, remote.write(action, NEW), 0, arch.sigsetSize);
}

/** Make `handler`, SIG_IGN or SIG_DFL, what the target does about `signal`. */
export function setHandler(remote: RemoteSyscalls, signal: number, handler: bigint): void {
  const { sigaction } = remote.tracee.arch.structs;
  setAction(remote, signal, new Struct(sigaction).set("sa_handler", handler).bytes);
}

/** If this program is killed, set `action` again; see `RemoteSyscalls.undoIfKilled()`. */
export function setActionIfKilled(
  remote: RemoteSyscalls,
  signal: number,
  action: SignalAction,
): void {
  const { sigsetSize } = remote.tracee.arch;
  remote.undoIfKilled("rt_sigaction", [signal, DATA, 0, sigsetSize], { data: action });
}

/**
 * Ignore `signal` for a while, in which it may come to the target: what does that, and returns what ends it. What came
 * meanwhile is discarded. If this program is killed, the target ends it by itself; its other threads run
 * by then, and would take a signal that was not ignored. It may be about to come just then.
 */
export function mute(
  remote: RemoteSyscalls,
  signal: number,
): (remote: RemoteSyscalls) => void {
  const before = getAction(remote, signal);
  const ignore = new Struct(remote.tracee.arch.structs.sigaction).set("sa_handler", SIG_IGN).bytes;
  setActionIfKilled(remote, signal, before);
  setActionIfKilled(remote, signal, ignore);
  pauseIfKilled(remote);
  setActionIfKilled(remote, signal, ignore);
  setAction(remote, signal, ignore);
  return (remote) => {
    insist(() => setAction(remote, signal, ignore));
    insist(() => setAction(remote, signal, before));
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
export function discardPending(remote: RemoteSyscalls, signal: number): void {
  const before = getAction(remote, signal);
  setActionIfKilled(remote, signal, before);
  setHandler(remote, signal, SIG_IGN);
  insist(() => setAction(remote, signal, before));
}
