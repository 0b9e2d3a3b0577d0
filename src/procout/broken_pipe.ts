/**
 * Writers of a command whose mirror has lost its reader. Without us a write would raise SIGPIPE, or fail with EPIPE where
 * that is ignored: pipe(7). The signal can be had, the error cannot.
 */
import { KCMP_FILE, SIGPIPE } from "../ffi/constants.ts";
import { close } from "../ffi/descriptor.ts";
import { kcmp, pidfdOpen, pidfdSendSignal } from "../ffi/process.ts";
import { writeStderr } from "../log.ts";
import { readable } from "../proc/gone.ts";
import { hasSignal, readStatus } from "../proc/status.ts";

/** What tells each of them that its write to one of `outputs`, descriptors of ours, goes nowhere; called after it. */
export function unreadWriters(outputs: readonly number[]): (pid: number, fd: number) => void {
  const ignoring = new Set<number>();
  return (pid, fd) => {
    if (ignoring.has(pid)) return;
    const pidfd = pidfdOpen(pid);
    if (pidfd < 0) return;
    // What the shell has redirected for one command is read by somebody else.
    const writes = outputs.some((own) => kcmp(Deno.pid, pid, KCMP_FILE, own, fd) === 0);
    if (writes) pidfdSendSignal(pidfd, SIGPIPE);
    close(pidfd);
    if (!writes) return;
    const ignored = readable(() => readStatus(pid))?.sigIgnored ?? 0n;
    if (!hasSignal(ignored, SIGPIPE)) return;
    ignoring.add(pid);
    writeStderr(
      `procout: Process ${pid} ignores SIGPIPE and goes on, though nobody reads any more`,
    );
  };
}
