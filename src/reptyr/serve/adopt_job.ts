/**
 * A job that another reptyr has moved to the terminal which `-T` takes. This reptyr serves its keys, its relayed groups and
 * its SIGHUP shields from then on.
 */
import { readable } from "../../proc/gone.ts";
import { isInitAbove } from "../../proc/init.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import { readLiveStats } from "../../proc/stats.ts";
import { readStatus } from "../../proc/status.ts";
import type { DeviceFile } from "../../tty/master.ts";
import { Gate } from "../gate/gate.ts";
import { usersOf } from "../inspect/terminal_users.ts";
import type { Audience } from "../move/attachment.ts";
import type { SighupShield } from "../move/session/sighup_shield.ts";
import type { KnownRecord } from "../record/known_records.ts";
import type { PublishedRecord } from "../record/published_record.ts";
import { isIn } from "../record/relayed_groups.ts";
import { adoptShield } from "./adopt_shield.ts";

export interface ServedJob extends Audience {
  /** The shell that it is a job of, or was. */
  readonly shell: ProcessIdentity | undefined;
  readonly shields: readonly SighupShield[];
  /** Publish the job's record as it is now, for the next reptyr that moves it. */
  readonly publish: () => void;
}

/**
 * Serve the job of `record` in place of the reptyr that wrote it, which has lost its terminal. `published` tells the next
 * reptyr. A member that cannot be stopped goes on ignoring SIGHUP. `terminal` is the device file of the served slave, where
 * the kernel tells it.
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
  const shields = record.shields.map((shield) => adoptShield(shield, authority, gate))
    .filter((shield) => shield !== undefined);
  const processes = readLiveStats().filter((stat) =>
    gate.admits(stat) && groups.some((group) => isIn(group, stat))
  );
  // What we publish has our authority. A record of another user has less, so its groups and members are not repeated.
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
