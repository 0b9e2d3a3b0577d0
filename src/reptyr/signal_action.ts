/** The target's signal dispositions, by rt_sigaction(2) in the kernel's own structure. */
import { SIG_IGN } from "../ffi/constants.ts";
import { Struct } from "../struct.ts";
import { DATA, type RemoteSyscalls } from "../tracee/remote_syscalls.ts";

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

/** If this program is killed, remove `signal` from the target's queues as {@linkcode discardPending} does. */
export function discardPendingIfKilled(remote: RemoteSyscalls, signal: number): void {
  if (!remote.hasNet) return;
  const { sigaction } = remote.tracee.arch.structs;
  setActionIfKilled(remote, signal, getAction(remote, signal));
  const ignore = new Struct(sigaction).set("sa_handler", SIG_IGN).bytes;
  setActionIfKilled(remote, signal, ignore);
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
  setHandler(remote, signal, SIG_IGN);
  setAction(remote, signal, before);
}
