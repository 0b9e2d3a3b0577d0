/**
 * A job that another reptyr has moved to the terminal which `-T` takes. Its keys, the SIGHUP of its old shell and its
 * helpers are ours to see to from then on: serve.ts.
 */
import { seizingMember } from "../move/job/seize_members.ts";
import { Deadline, waitOut } from "../../tracee/wait.ts";
import { RefusedError, StopTimeoutError, SyscallError, TraceeDiedError } from "../../errors.ts";
import { verbose } from "../../log.ts";
import { isInitAbove } from "../../proc/init.ts";
import { readable } from "../../proc/gone.ts";
import { readLiveStats } from "../../proc/stats.ts";
import { readStatus } from "../../proc/status.ts";
import type { DeviceFile } from "../../tty/master.ts";
import { Gate } from "../gate/gate.ts";
import type { ShieldRecord } from "../record/job_record.ts";
import type { KnownRecord } from "../record/known_records.ts";
import type { PublishedRecord } from "../record/published_record.ts";
import type { Authority } from "../gate/record_holder.ts";
import { SighupShield } from "../move/session/sighup_shield.ts";
import { usersOf } from "../inspect/terminal_users.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import type { Audience } from "../move/attachment.ts";
import { isIn } from "../record/relayed_groups.ts";

export interface ServedJob extends Audience {
  /** The shell that it is a job of, or was. */
  readonly shell: ProcessIdentity | undefined;
  readonly shields: readonly SighupShield[];
  /** Tell the next reptyr what there is to know just now. */
  readonly publish: () => void;
}

/**
 * Serve the job of `record` in the place of the reptyr that wrote it, which has lost its terminal. The next one is told
 * by `published`. A member that cannot be stopped goes on ignoring SIGHUP. `terminal` is the
 * device file of what we serve, where the kernel tells it.
 */
export function takeOverJob(
  record: KnownRecord,
  published: PublishedRecord,
  terminal: DeviceFile | undefined,
): ServedJob {
  const { target, shell, groups = [], members = [], bystanders = [], authority } = record;
  const nsPid = readable(() => readStatus(target.pid))?.nsPid ?? [];
  const gate = new Gate([], authority);
  gate.bar(bystanders);
  gate.admit([target, ...members.filter(({ pid }) => !isInitAbove(pid, nsPid))]);
  const shields = record.shields.map((shield) => adopt(shield, authority, gate))
    .filter((shield) => shield !== undefined);
  const processes = readLiveStats().filter((stat) =>
    gate.admits(stat) && groups.some((group) => isIn(group, stat))
  );
  // Our word has our authority: what another's limits is not said on.
  const said = authority.isOurs ? record : { target, groups: [], members: [] };
  const publish = () =>
    published.write({
      ...said,
      shields: shields.map(({ record }) => record).filter((one) => one !== undefined),
    });
  publish();
  return {
    target: target.pid,
    shell,
    relayed: { groups, processes },
    gate,
    usesTerminal: usersOf(terminal && { ...terminal, live: true }),
    shields,
    publish,
  };
}

/** How long each may take to stop: the terminal is ours by then, and nobody is served meanwhile. */
const ADOPT_SECONDS = 0.5;

/** Only of a process that is part of the job: a record says what it likes. */
function adopt(
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
    const expected = [RefusedError, StopTimeoutError, SyscallError, TraceeDiedError];
    if (!expected.some((one) => error instanceof one)) throw error;
    verbose(`Process ${process.pid} goes on ignoring SIGHUP: ${error}`);
    return undefined;
  }
}
