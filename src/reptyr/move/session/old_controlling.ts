/** When a move needs a descriptor on the controlling terminal that the target leaves. */
import type { OurFd } from "../../../brands.ts";
import type { Job } from "../job/job.ts";
import { leadsSession } from "../job/roles.ts";
import { openControlling } from "./controlling_tty.ts";
import { isForeground } from "./old_shell.ts";

/**
 * A descriptor of our own for the controlling terminal of the target, which has none, where the move needs one: to give the
 * terminal up, or to leave its foreground to the processes that stay. As {@linkcode openControlling}.
 */
export function openNeeded({ target, others, alone }: Job): OurFd | undefined {
  const leavesForeground = alone && isForeground(target.stat) && others.length > 0;
  const isNeeded = target.stat.ttyNr !== 0 && (leadsSession(target) || leavesForeground);
  return isNeeded ? openControlling(target) : undefined;
}
