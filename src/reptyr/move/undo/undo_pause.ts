/** What the members of a job wait for, when they undo all at once what has been done to them. */
import { CLOCK_MONOTONIC } from "../../../ffi/constants.ts";
import { DATA, type RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";

/** Others undo one step within microseconds, unless they have to wait for a processor. */
const PAUSE_NS = 50_000_000;

/** If this program is killed, let the process wait a moment for others before it undoes what was asked for earlier. */
export function pushPause(remote: RemoteSyscalls): void {
  const { addressBits } = remote.tracee.arch;
  const time = addressBits === 64
    ? BigInt64Array.of(0n, BigInt(PAUSE_NS))
    : Int32Array.of(0, PAUSE_NS);
  const data = new Uint8Array(time.buffer);
  // A program's filter may allow the one that its C library makes, and not the other.
  const other = ["clock_nanosleep", [CLOCK_MONOTONIC, 0, DATA, 0]] as const;
  remote.pushUndoFrame("nanosleep", [DATA, 0], { data, instead: other });
}
