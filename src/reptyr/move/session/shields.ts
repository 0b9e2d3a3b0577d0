/** The shields of a job against the SIGHUP of its old shell: those raised now and those of earlier moves. */
import { SIGHUP } from "../../../ffi/constants.ts";
import { isSame, type ProcessIdentity } from "../../../proc/process_identity.ts";
import { hasSignal } from "../../../proc/status.ts";
import type { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import type { Steps } from "../../../tracee/steps.ts";
import type { KnownRecord } from "../../record/known_records.ts";
import type { Job } from "../job/job.ts";
import type { Member } from "../job/member.ts";
import { SighupShield } from "./sighup_shield.ts";

/** Shields against the SIGHUP of the shell of the job, if it has one. */
export class Shields {
  readonly raised: SighupShield[] = [];

  constructor(readonly shell: ProcessIdentity | undefined, readonly undo: DisposableStack) {}

  /**
   * For a process whose group has the number that the shell knows the job by; and for one whose group is orphaned
   * when the shell ends: if it is stopped just then, the kernel hangs it up, kill_orphaned_pgrp() in kernel/exit.c.
   */
  *raise(remote: RemoteSyscalls, member: Member): Steps<void> {
    if (this.shell === undefined || hasSignal(pendingSignals(member), SIGHUP)) return;
    const process = { pid: member.pid, startTime: member.stat.startTime };
    const shield = yield* SighupShield.raise(remote, { process, shell: this.shell });
    if (shield === undefined) return;
    this.raised.push(shield);
    this.undo.defer(() => member.undo((remote) => shield.undo(remote)));
  }
}

/** The shields of reptyrs that serve the job until now, and cannot lift them any more. */
export function adoptShields(job: Job, known: readonly KnownRecord[]): SighupShield[] {
  return known.flatMap(({ shields, authority }) =>
    shields.flatMap((record) => {
      const member = job.members.find(({ stat }) => isSame(stat, record.process));
      if (member === undefined) return [];
      return member.withRemote((remote) => SighupShield.adopt(remote, record, authority)) ?? [];
    })
  );
}

/** Bit N - 1: signal N. */
function pendingSignals({ status }: Member): bigint {
  return status.sigPending | status.sharedPending;
}
