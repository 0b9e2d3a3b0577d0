/**
 * ^Z for a moved job.
 *
 * The kernel ignores ^Z for an orphaned group, which the moved job's is: docs/kernel-notes.md#ctrl-z-and-orphaned-groups.
 * So we stop the job by SIGSTOP, and ourselves as ^Z would: our own shell prompts, and its `fg`, `bg` and `jobs` work for us
 * and through us for the job. A group that is not orphaned, such as a job of a moved shell, is left to the kernel. A job that
 * stops itself by SIGSTOP has no shell to report that to: we look for that stop
 * (docs/kernel-notes.md#only-waitpid-of-the-parent-tells-of-a-stop), and stop ourselves too.
 */
import { SIGTSTP } from "../../ffi/constants.ts";
import { getpgrp } from "../../ffi/process.ts";
import { identityOf, type ProcessIdentity } from "../../proc/process_identity.ts";
import { readStat } from "../../proc/stat.ts";
import { readLiveStats } from "../../proc/stats.ts";
import { hasSignal, readStatus } from "../../proc/status.ts";
import { foregroundGroup } from "../../tty/foreground.ts";
import type { Pty } from "../../tty/pty.ts";
import type { UserTerminal } from "../../tty/user_terminal.ts";
import { isOrphaned } from "../frontend/orphans.ts";
import type { TtyForeground } from "../frontend/tty_foreground.ts";
import type { Audience } from "../move/attachment.ts";
import { holdChildren } from "./hold.ts";
import { continueHearers, hearersOf, stopHearers } from "./signal_relay.ts";
import { isStoppedJob } from "./stopped_job.ts";

/**
 * Time between two looks at whether the job has stopped itself. The pump waits a tenth of a second at most until a second
 * after the last bytes, and then until something happens: nothing reports a stop, and an idle reptyr should sleep.
 */
const LOOK_MS = 50;

export interface JobStopOptions {
  readonly pty: Pty;
  readonly terminal: UserTerminal;
  readonly turn: TtyForeground;
  readonly job: Audience & {
    /** The shell that the target is a job of, or was before its first move. */
    readonly shell: ProcessIdentity | undefined;
  };
}

export class JobStop {
  readonly #options: JobStopOptions;
  #lastLook = -Infinity;
  #wasStopped = false;

  constructor(options: JobStopOptions) {
    this.#options = options;
  }

  /** A key was read: what it causes is shown before the next look at the job. */
  putOffLook(): void {
    this.#lastLook = performance.now();
  }

  /**
   * Whether ^Z is ours to act upon: it is a key and no byte of a text, the kernel would ignore it, the job does not ignore
   * SIGTSTP itself, and a shell is there to continue us. For a job that is stopped already it does not matter what it
   * ignores: only that shell can continue it.
   */
  canStop(table = readLiveStats()): boolean {
    const { pty, terminal } = this.#options;
    if (!terminal.keyboardIsTerminal) return false;
    const group = this.#group();
    if (group === undefined) return false;
    return (foregroundGroup(pty.master) === undefined || isOrphaned(group, table)) &&
      !isOrphaned(getpgrp(), table) &&
      (isStopped(group) || !ignoresStop(group));
  }

  /** The group that the keys are for. Without a foreground group the kernel signals no process: the target has kept its session. */
  #group(): number | undefined {
    const { pty, job: { relayed } } = this.#options;
    return foregroundGroup(pty.master) ?? relayed.groups[0]?.pgrp;
  }

  /** Whether two looks in a row found the job stopped: output from before the stop has been passed on between them. */
  hasStoppedItself(): boolean {
    const now = performance.now();
    if (now - this.#lastLook < LOOK_MS) return false;
    this.#lastLook = now;
    const before = this.#wasStopped;
    this.#wasStopped = this.#isStoppedJob();
    return before && this.#wasStopped;
  }

  #isStoppedJob(): boolean {
    const { pty, terminal, turn, job } = this.#options;
    // In the background the shell's terminal is not ours to give back.
    if (!terminal.keyboardIsTerminal || !turn.isOurs) return false;
    const group = this.#group();
    // The usual answer costs one file.
    if (group === undefined || !isStopped(group)) return false;
    const table = readLiveStats();
    const members = hearersOf(job, pty.master, table);
    return isStoppedJob(members) && this.canStop(table) && turn.checkForeground();
  }

  /** Stop the job, then ourselves; continues the job when our shell has continued us. */
  stop(): void {
    this.#wasStopped = false;
    const { pty: { master }, job, turn } = this.#options;
    const { target, shell, relayed, gate } = job;
    using _held = holdChildren(shell, [identityOf(target), ...relayed.processes], gate);
    const stopped = stopHearers(job, master);
    turn.stop();
    continueHearers(job, master, stopped);
  }
}

function isStopped(leader: number): boolean {
  return readStat(leader)?.state === "T";
}

/** Whether the leader of the group ignores SIGTSTP, as interactive shells do. */
function ignoresStop(group: number): boolean {
  return hasSignal(readStatus(group)?.sigIgnored ?? 0n, SIGTSTP);
}
