/** A terminal that `-T` has taken, with all that has to be seen to from then on. */
import { ourFd } from "../../brands.ts";
import { verbose } from "../../log.ts";
import { readLiveStats } from "../../proc/stats.ts";
import { slaveOf } from "../../tty/master.ts";
import { Pty } from "../../tty/pty.ts";
import type { Patience } from "../frontend/patience.ts";
import { type KnownRecord, readRecords } from "../record/known_records.ts";
import { PublishedRecord } from "../record/published_record.ts";
import { isIn } from "../record/relayed_groups.ts";
import { type ServedJob, takeOverJob } from "../serve/adopt_job.ts";
import { continueServed } from "../serve/hold.ts";
import { DisplacedMaster } from "./displaced_masters.ts";
import type { FoundTerminal } from "./found_terminal.ts";
import { SlaveGuard } from "./slave_guard.ts";
import { takeMaster } from "./take_master.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";

export interface TakenTerminal {
  readonly pty: Pty;
  /** Keeps the owner and the mode of its device file. */
  readonly guard: SlaveGuard;
  /** The job that another reptyr served there, if one did. */
  readonly job: ServedJob | undefined;
}

/**
 * Take the terminal from all that hold its master; what is seen to meanwhile and afterwards ends with `cleanup`. Throws when
 * it cannot be taken; all is as it was then.
 */
export async function takeTerminal(
  found: FoundTerminal,
  { timeoutSeconds, patience }: { readonly timeoutSeconds: number; readonly patience: Patience },
  cleanup: DisposableStack,
): Promise<TakenTerminal> {
  const guard = cleanup.use(new SlaveGuard(found.master));
  const displaced = cleanup.use(new DisplacedMaster());
  const served = readRecords().find(({ target, groups }) =>
    target.pid === found.wanted.session && groups !== undefined
  );
  // Before that reptyr loses its terminal: it looks for the one that has the job then.
  const published = served && cleanup.use(new PublishedRecord(served.target));
  continueServed(found.holders, stoppedWith(found, served));
  const losses = await patience.repeat(() =>
    takeMaster(found.look(), ourFd(displaced.descriptor), timeoutSeconds, patience)
  );
  displaced.watch(losses);
  for (const { process: { pid }, fds } of losses) {
    verbose(`Took the terminal from process ${pid}, descriptors ${fds.join(", ")}`);
  }
  const pty = found.adopt();
  verbose(`Serving ${pty.name}`);
  const job = served && published && takeOverJob(served, published, slaveOf(pty.master));
  return { pty, guard, job };
}

/** What ^Z may have stopped with the reptyr that serves the terminal: its foreground, and what `served` names. */
function stoppedWith(
  { wanted }: FoundTerminal,
  served: KnownRecord | undefined,
): ProcessIdentity[] {
  const groups = served?.groups ?? [];
  return readLiveStats().filter((stat) =>
    stat.session === wanted.session && stat.pgrp === stat.tpgid ||
    groups.some((group) => isIn(group, stat))
  );
}
