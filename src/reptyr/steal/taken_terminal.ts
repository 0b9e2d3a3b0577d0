/** A terminal that `-T` has taken, with what has to be done for it from then on. */
import { ourFd } from "../../brands.ts";
import { verbose } from "../../log.ts";
import { slaveOf } from "../../tty/master.ts";
import { Pty } from "../../tty/pty.ts";
import type { Patience } from "../frontend/patience.ts";
import type { ServedJob } from "../serve/adopt_job.ts";
import { DisplacedMaster } from "./displaced_masters.ts";
import type { FoundTerminal } from "./found_terminal.ts";
import { JobServedThere } from "./job_served_there.ts";
import { SlaveGuard } from "./slave_guard.ts";
import { takeMaster } from "./take_master.ts";

export interface TakenTerminal {
  readonly pty: Pty;
  /** Keeps the owner and the mode of its device file. */
  readonly guard: SlaveGuard;
  /** The job that another reptyr served there, if one did. */
  readonly job: ServedJob | undefined;
}

/**
 * Take the terminal from all processes that hold its master. What is opened or watched for that ends with `cleanup`. Throws
 * when the terminal cannot be taken, with all as it was before.
 */
export async function takeTerminal(
  found: FoundTerminal,
  { timeoutSeconds, patience }: { readonly timeoutSeconds: number; readonly patience: Patience },
  cleanup: DisposableStack,
): Promise<TakenTerminal> {
  const guard = cleanup.use(new SlaveGuard(found.master));
  const displaced = cleanup.use(new DisplacedMaster());
  const served = cleanup.use(new JobServedThere(found));
  served.continue();
  const losses = await patience.repeat(() =>
    takeMaster(found.look(), ourFd(displaced.descriptor), timeoutSeconds, patience)
  );
  displaced.watch(losses);
  for (const { process: { pid }, fds } of losses) {
    verbose(`Took the terminal from process ${pid}, descriptors ${fds.join(", ")}`);
  }
  const pty = found.adopt();
  verbose(`Serving ${pty.name}`);
  return { pty, guard, job: served.takeOver(slaveOf(pty.master)) };
}
