/** Finding the master of a terminal, and all processes that hold it. None is stopped or changed here. */
import { RefusedError } from "../../errors.ts";
import { KCMP_FILE } from "../../ffi/constants.ts";
import { close } from "../../ffi/descriptor.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { kcmp, pidfdGetfd, pidfdOpen, pidfdOpenThread } from "../../ffi/process.ts";
import { orThrow } from "../../ffi/raw.ts";
import { lookAgain } from "../../proc/look_again.ts";
import { findMasterHolders, type MasterHolder } from "../../proc/masters.ts";
import { sessionOn, slaveOf } from "../../tty/master.ts";
import { isMasterOf, type MasterFacts, type WantedTerminal } from "./stolen_terminal.ts";

export interface FoundMaster {
  /** Our own descriptor of it, close-on-exec; the caller closes it. Undefined when no process that we see holds it. */
  readonly copy: number | undefined;
  /** Processes that hold it, and processes with a master of the same number that we may not look into. */
  readonly pids: readonly number[];
  /** The processes of `pids` whose descriptors we may not copy. */
  readonly forbidden: readonly number[];
  /** How many processes the kernel does not let us look into. */
  readonly hidden: number;
}

/** Look for the master of `wanted`. Throws RefusedError on a kernel without pidfd_getfd(2). */
export function findMaster(wanted: WantedTerminal): FoundMaster {
  const { holders, hidden } = findMasterHolders(wanted.index);
  let copy: number | undefined;
  const pids: number[] = [];
  const forbidden: number[] = [];
  for (const holder of holders) {
    const answer = fetch(holder, wanted);
    if (answer === "other") continue;
    pids.push(holder.pid);
    if (answer === "forbidden") forbidden.push(holder.pid);
    else if (copy === undefined) copy = answer;
    else close(answer);
  }
  return { copy, pids, forbidden, hidden };
}

/** Whether descriptor `fd` of thread `tid`, of the process of `pidfd`, is the master `copy` of ours. */
export function isSameMaster(
  { pidfd, tid, fd }: { readonly pidfd: number; readonly tid: number; readonly fd: number },
  copy: number,
  wanted: WantedTerminal,
): boolean {
  const order = kcmp(Deno.pid, tid, KCMP_FILE, copy, fd);
  if (order >= 0) return order === 0;
  // A kernel without CONFIG_KCMP: no two descriptions are masters of one terminal.
  const again = pidfdGetfd(pidfd, fd);
  return again >= 0 && proves(again, wanted);
}

/** The holder's descriptor on the master as one of ours. */
function fetch(holder: MasterHolder, wanted: WantedTerminal): number | "other" | "forbidden" {
  const pidfd = holder.tid === holder.pid ? pidfdOpen(holder.pid) : pidfdOpenThread(holder.tid);
  if (pidfd < 0) return "other"; // it has ended
  try {
    for (const fd of holder.fds) {
      const copy = lookAgain(() => pidfdGetfd(pidfd, fd), (copy) => copy === -ERRNO.EPERM);
      if (copy === -ERRNO.EPERM) return "forbidden";
      if (copy === -ERRNO.ENOSYS) throw tooOld();
      if (copy === -ERRNO.EBADF || copy === -ERRNO.ESRCH) continue; // closed, or ended, meanwhile
      orThrow(copy, `pidfd_getfd(${pidfd}, ${fd})`);
      if (isMasterOf(factsOf(copy, wanted), wanted)) return copy;
      close(copy);
    }
    return "other";
  } finally {
    close(pidfd);
  }
}

/** As fetch(), for a copy that is needed no longer. */
function proves(copy: number, wanted: WantedTerminal): boolean {
  try {
    return isMasterOf(factsOf(copy, wanted), wanted);
  } finally {
    close(copy);
  }
}

/** A slave is opened, and closed again, only where nothing else can prove it: its emulator might notice. */
function factsOf(master: number, { session }: WantedTerminal): MasterFacts {
  return session === undefined
    ? { session, file: slaveOf(master) }
    : { session: sessionOn(master), file: undefined };
}

function tooOld(): RefusedError {
  return new RefusedError("Cannot take a terminal: this kernel has no pidfd_getfd(2)", [
    "Linux has it since version 5.6; in a container its seccomp filter may forbid it",
  ]);
}
