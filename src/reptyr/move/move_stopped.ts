/** The synchronous part of a move, from the first changed register to the last restored one. */
import { toIdentity } from "../../proc/process_identity.ts";
import { PublishedRecord } from "../record/published_record.ts";
import { announce } from "./announce.ts";
import type { Attachment } from "./attachment.ts";
import type { Attempt } from "./attempt.ts";
import { equip } from "./equip.ts";
import { leaveToSigframesOnFailure } from "./job/failure.ts";
import { leadsSession } from "./job/roles.ts";
import { tellLeftUndone, tellScopes } from "./left_undone.ts";
import { continueStopped } from "./session/show_stop.ts";
import { setUpTerminal } from "./set_up_terminal.ts";
import type { StoppedJob } from "./stop_job.ts";
import { switchTerminal } from "./switch_terminal.ts";

/**
 * Move a job that stands still. `progress` tells whether the move is to stay; what is on `afterwards` is for when the job has been
 * let go. Disposal undoes in this order: the registers come back first, for a member that undoes steps by itself is not to
 * do so twice; then, unless the move is to stay, what was done to the members; last the job runs.
 */
export function moveStopped(
  attempt: Attempt,
  stopped: StoppedJob,
  progress: { isCommitted: boolean },
  afterwards: DisposableStack,
): Attachment {
  const { job } = stopped;
  const settings = stopped.settings();
  using oldScreen = stopped.openScreen();
  setUpTerminal(attempt, settings, job.target.status);

  using undoUnlessCommitted = new DisposableStack();
  // Before anyone leaves the old terminal: the reptyr that served that looks for it when it is abandoned.
  const record = undoUnlessCommitted.use(new PublishedRecord(toIdentity(job.target.stat)));
  const hasShell = !leadsSession(job.target);
  using restoreRegisters = new DisposableStack();
  restoreRegisters.defer(() => job.restoreState());
  const switched = leaveToSigframesOnFailure(job.members, () => {
    const moves = equip(job, attempt, afterwards, undoUnlessCommitted);
    // A shell prompts as soon as it sees its job stop; the last that may fail has been done by then.
    if (hasShell) oldScreen?.reset();
    const switched = switchTerminal(stopped, moves, attempt, undoUnlessCommitted);
    job.commit();
    continueStopped(job);
    return switched;
  });
  undoUnlessCommitted.move();
  progress.isCommitted = true;

  if (!hasShell) oldScreen?.reset();
  tellScopes();
  tellLeftUndone(job.members);
  return announce(attempt, stopped, switched, record, settings);
}
