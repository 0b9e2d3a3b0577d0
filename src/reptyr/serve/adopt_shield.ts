/** Taking over the SIGHUP shield that another reptyr has raised: what the record says of it is a claim. */
import { isExpected } from "../../errors.ts";
import { verbose } from "../../log.ts";
import { Deadline, waitOut } from "../../tracee/wait.ts";
import type { Gate } from "../gate/gate.ts";
import type { Authority } from "../gate/record_holder.ts";
import { seizingMember } from "../move/job/seize_members.ts";
import { SighupShield } from "../move/session/sighup_shield.ts";
import type { ShieldRecord } from "../record/job_record.ts";

/** How long a process may take to stop: the terminal is ours by then, and its keys wait meanwhile. */
const ADOPT_SECONDS = 0.5;

/** The shield of `record`. Undefined for a process that is no part of the job, whatever the record claims, or cannot be stopped. */
export function adoptShield(
  record: ShieldRecord,
  authority: Authority,
  gate: Gate,
): SighupShield | undefined {
  const { process } = record;
  if (!gate.admits(process) || !authority.mayTrace(process)) return undefined;
  try {
    using member = waitOut(seizingMember(process, new Deadline(ADOPT_SECONDS), gate));
    return member.withRemote((remote) => SighupShield.adopt(remote, record, authority));
  } catch (error) {
    if (!isExpected(error)) throw error;
    verbose(`Process ${process.pid} goes on ignoring SIGHUP: ${error}`);
    return undefined;
  }
}
