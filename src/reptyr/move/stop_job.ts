/** A job that stands still, before anything of it is changed. */
import { RefusedError } from "../../errors.ts";
import { verbose } from "../../log.ts";
import type { Stat } from "../../proc/stat.ts";
import { Deadline } from "../../tracee/wait.ts";
import { recordFor } from "../record/known_records.ts";
import type { Attempt } from "./attempt.ts";
import { Job } from "./job/job.ts";
import { leftBehind, mayAsk, warnOfKeptSession } from "./job/left_in_pgrp.ts";
import { refuseFrozen } from "./job/seize_members.ts";
import { blockingZombie } from "./job/zombies.ts";
import { warnOfForbiddenReturns } from "./left_undone.ts";
import { OldScreen } from "./screen/old_screen.ts";
import { isDriven, type OldSettings, oldSettings } from "./screen/old_settings.ts";
import { catchesStop, ScreenSuspension } from "./screen/screen_suspend.ts";
import { refuseOwnServers } from "./served_stdio.ts";

export class StoppedJob implements Disposable {
  readonly #cleanup: DisposableStack;
  readonly #found: OldSettings;

  private constructor(
    readonly job: Job,
    /** Those of the target's group that stay where they are, when the target goes alone. */
    readonly leftInPgrp: readonly Stat[],
    /** Whether a zombie keeps the target in its session. */
    readonly keepsSession: boolean,
    /** The programs that have put the old screen right by themselves. */
    readonly suspension: ScreenSuspension,
    found: OldSettings,
    cleanup: DisposableStack,
  ) {
    this.#found = found;
    this.#cleanup = cleanup;
  }

  /**
   * Stop the job, and have its full-screen program restore its old screen. Undefined where a zombie keeps the target in its
   * session, and it may not stay there: all is as before then. As long as stops are waited for there may be turns of the
   * event loop. Throws RefusedError, StopTimeoutError and GivenUpError, with all as before.
   */
  static async stop(attempt: Attempt): Promise<StoppedJob | undefined> {
    const { facts, options, otherRecords, mayKeepSession, patience } = attempt;
    using cleanup = new DisposableStack();
    const job = cleanup.use(
      await patience.wait(Job.stopping({
        target: facts.stat,
        others: facts.members,
        bystanders: facts.bystanders,
        record: recordFor(facts.stat, otherRecords),
        alone: options.alone,
        deadline: new Deadline(options.timeoutSeconds),
      })),
    );
    const { target } = job;
    verbose(`Stopped ${job.members.map(({ pid }) => pid).join(", ")}`);
    warnOfForbiddenReturns(job.members);
    if (target.terminal === undefined && !options.forceStdio) {
      throw new RefusedError(`Cannot move process ${target.pid}: it has just closed its terminal`);
    }
    if (options.forceStdio) refuseOwnServers(job);
    const zombie = blockingZombie(job);
    if (zombie !== undefined && !mayKeepSession) return undefined;
    if (zombie !== undefined) warnOfKeptSession(target.pid, zombie, options);
    const leftInPgrp = options.alone ? leftBehind(job, facts) : [];
    const found = readSettings(job);
    const suspension = cleanup.use(
      isDriven(found) && options.redraw !== "none" && mayAsk(leftInPgrp, job, facts)
        ? await patience.wait(ScreenSuspension.asking(job, options.timeoutSeconds))
        : ScreenSuspension.nobody(),
    );
    if (patience.isTried) await patience.end();
    return new StoppedJob(
      job,
      leftInPgrp,
      zombie !== undefined,
      suspension,
      found,
      cleanup.move(),
    );
  }

  /** The settings that the old terminal has now. Programs that put their screen right have run since the first look. */
  settings(): OldSettings {
    if (!this.suspension.hasAny) return this.#found;
    const now = readSettings(this.job);
    refuseFrozen(this.job.members);
    return now;
  }

  /** The old screen, where its program has not put that right and no process that stays drives it. */
  openScreen(): OldScreen | undefined {
    const { job, leftInPgrp, suspension } = this;
    const isLeft = leftInPgrp.length === 0 || catchesStop(job.target.status);
    return isDriven(this.#found) && !suspension.isScreenRight && isLeft
      ? OldScreen.open(job.target, job.target.terminal)
      : undefined;
  }

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}

function readSettings(job: Job): OldSettings {
  return oldSettings(job.target.pidfd, job.target.terminal?.fds[0], movesForeground(job));
}

/** Whether the foreground process group of the old terminal moves, whose settings it then has. */
function movesForeground({ target, members }: Job): boolean {
  const { ttyNr, tpgid } = target.stat;
  return ttyNr !== 0 && members.some(({ stat }) => stat.pgrp === tpgid);
}
