/**
 * The move itself: stop the job, give it the new terminal, let its old shell see a stop, change session and descriptors, let
 * it go. From the first changed register to the last restored one it is synchronous: a signal to this program is acted upon
 * before or after, never in between.
 */
import { usleep } from "../../ffi/process.ts";
import { holdLines } from "../../log.ts";
import { mayBeServed } from "../../proc/file_servers.ts";
import type { PreflightFacts } from "../inspect/preflight_facts.ts";
import { readRecords } from "../record/known_records.ts";
import type { Attachment } from "./attachment.ts";
import type { Attempt, Course } from "./attempt.ts";
import { explainFailure, explainUnserved } from "./explain_failure.ts";
import { moveStopped } from "./move_stopped.ts";
import { StoppedJob } from "./stop_job.ts";

/** A parent that lives waits for its children soon: how often, and after how long, to look again. */
const ZOMBIE_TRIES = 50;
const ZOMBIE_PAUSE_US = 3000;

/**
 * Move the job of `facts` to the slave of `pty`. It runs when this resolves, also when it was found job-stopped: it is in
 * the foreground of the new terminal then, as after `fg`.
 *
 * Throws when it cannot be done, with all of the job as it was before, or TraceeDiedError.
 */
export async function moveJob(facts: PreflightFacts, course: Course): Promise<Attachment> {
  const attempt = { ...course, facts, otherRecords: readRecords() };
  for (let tries = 1; tries < ZOMBIE_TRIES; tries++) {
    const outcome = await tryToMove({ ...attempt, mayKeepSession: false });
    if (outcome.kind === "moved") return outcome.attachment;
    usleep(ZOMBIE_PAUSE_US);
  }
  const outcome = await tryToMove({ ...attempt, mayKeepSession: true });
  if (outcome.kind === "moved") return outcome.attachment;
  throw new Error("A target that may keep its session was blocked");
}

type Outcome =
  /** A zombie keeps the target in its session just now; all is as before. */
  | { readonly kind: "blocked" }
  | { readonly kind: "moved"; readonly attachment: Attachment };

async function tryToMove(attempt: Attempt): Promise<Outcome> {
  const progress = { isCommitted: false };
  using afterwards = new DisposableStack();
  // Our own standard error output may be a file that a member serves, which takes nothing while it stands still.
  if (mayBeServed(Deno.pid, Deno.pid, 2)) afterwards.use(holdLines());
  try {
    using stopped = await StoppedJob.stop(attempt);
    if (stopped === undefined) return { kind: "blocked" };
    return { kind: "moved", attachment: moveStopped(attempt, stopped, progress, afterwards) };
  } catch (error) {
    throw progress.isCommitted
      ? explainUnserved(error, attempt.facts.pid)
      : explainFailure(error, attempt.facts);
  }
}
