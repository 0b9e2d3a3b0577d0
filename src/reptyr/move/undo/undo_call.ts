/** A call in a process' name that undoes what another one has done. */
import type { SyscallName } from "../../../arch/mod.ts";
import type { RemoteArgument } from "../../../brands.ts";
import { RemoteSyscallError } from "../../../errors.ts";
import { verbose } from "../../../log.ts";
import type { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { retrySyscall } from "../../../tracee/retry_syscall.ts";

/**
 * Make the call, and again if it fails: without it the process stays where a move that failed has left it, such as in the
 * group of its shell. One that fails for good keeps nothing else from being undone.
 */
export function undoByCall(
  remote: RemoteSyscalls,
  name: SyscallName,
  ...args: readonly RemoteArgument[]
): void {
  try {
    retrySyscall(() => remote.syscallOrThrow(name, ...args));
  } catch (error) {
    if (!(error instanceof RemoteSyscallError)) throw error;
    verbose(`Not undone: ${error.message}`);
  }
}
