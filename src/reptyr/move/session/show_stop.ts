/** The stop of its job that an old shell is shown, so that it takes its terminal back. */
import { SIGCONT } from "../../../ffi/constants.ts";
import { verbose } from "../../../log.ts";
import { enterGroupStop } from "../../../tracee/group_stop.ts";
import type { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import { interleave, runToCompletion } from "../../../tracee/steps.ts";
import type { Job } from "../job/job.ts";
import { isForeground, waitForPrompt } from "./old_shell.ts";
import { ShellsEnd } from "./shells_end.ts";
import { discardPending } from "./signal_action.ts";

/**
 * Let the shell see its foreground job stop, and take its terminal back: by a stop of its own children alone. It is
 * told of no others, while a parent within the job would be, with SIGCHLD. The stop is over then, for as long as it
 * lasts nobody could bring itself back if we were killed. A shell that ends meanwhile takes the job for stopped: see the
 * result, `undefined` where no stop was shown.
 */
export function showStop(job: Job, shell: number, undo: DisposableStack): ShellsEnd | undefined {
  const { stat, tracee } = job.target;
  if (!isForeground(stat) || tracee.wasJobStopped) return undefined;
  const end = new ShellsEnd(shell);
  const children = job.members.filter((member) =>
    member.stat.ppid === shell && member.stat.pgrp === stat.pgrp && !member.tracee.wasJobStopped
  );
  for (const member of children) {
    undo.defer(() =>
      member.undo((remote) => {
        continueUnseen(remote);
        runToCompletion(end.forget(remote, member));
      })
    );
    // Somebody else's SIGCONT ends it, and the job with that: there is nothing to wait for.
    if (!enterGroupStop(member.tracee)) return end;
  }
  waitForPrompt(shell, stat.pgrp);
  verbose(`The shell, process ${shell}, has its terminal back`);
  for (const member of children) member.withRemote(continueUnseen);
  return end;
}

/**
 * End a stop of our making. SIGCONT works when it is sent; its handler in the process need not run. None can have been
 * pending before: SIGSTOP discards it, signal(7).
 */
export function continueUnseen(remote: RemoteSyscalls): void {
  remote.tracee.signal(SIGCONT);
  runToCompletion(discardPending(remote, SIGCONT));
}

/** A shell that has ended since it was shown a stop has sent its job a SIGTERM: no member is to end by it. */
export function forgetShellsEnd({ target, members }: Job, shellsEnd: ShellsEnd | undefined): void {
  if (shellsEnd === undefined) return;
  const group = members.filter(({ stat }) => stat.pgrp === target.stat.pgrp);
  interleave(
    group.map((member) => member.withRemoteSteps((remote) => shellsEnd.forget(remote, member))),
  );
}

/** A job that the user had stopped runs on the new terminal, as after `fg`. */
export function continueStopped({ target, members, alone }: Job): void {
  if (!target.tracee.wasJobStopped) return;
  for (const { tracee, stat } of alone ? [target] : members) {
    if (stat.pgrp === target.stat.pgrp && tracee.wasJobStopped) tracee.signal(SIGCONT);
  }
}
