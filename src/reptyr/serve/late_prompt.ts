/**
 * The prompt of a shell out of whose foreground job one process was moved alone.
 *
 * The shell goes on waiting, and the rest of the job keeps its terminal. Once the rest has ended, or ^Z has stopped it, the
 * shell would wait for the moved process, which no longer reads that terminal. So reptyr shows the shell a stop of the moved
 * process then, as in any other move: the shell takes its terminal back and prompts.
 */
import { isExpected } from "../../errors.ts";
import { verbose } from "../../log.ts";
import { isLive, readStat, type Stat } from "../../proc/stat.ts";
import { readStats } from "../../proc/stats.ts";
import { enterGroupStop } from "../../tracee/group_stop.ts";
import { RemoteSyscalls } from "../../tracee/remote_syscalls.ts";
import { Deadline, waitOut } from "../../tracee/wait.ts";
import type { Gate } from "../gate/gate.ts";
import type { LeftBehind } from "../move/attachment.ts";
import { seizingMember } from "../move/job/seize_members.ts";
import { waitForPrompt } from "../move/session/old_shell.ts";
import { continueUnseen } from "../move/session/show_stop.ts";

/** How often to look, while the shell waits: people do not notice half a second. */
const CHECK_MS = 500;

/** How long the moved process may be kept waiting. */
const STOP_SECONDS = 0.2;

export class LatePrompt implements Disposable {
  readonly #left: LeftBehind;
  readonly #gate: Gate;
  readonly #timer: number;
  #leftInPgrp: readonly number[] = [];

  /** `gate` admits the process that was moved. */
  constructor(left: LeftBehind, gate: Gate) {
    this.#left = left;
    this.#gate = gate;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const { shell, group } = this.#left;
    const waiting = readStat(shell);
    if (waiting === undefined || !isLive(waiting)) return this[Symbol.dispose]();
    // It has its terminal, or has given it to another job.
    if (waiting.tpgid !== group || isUsed(this.#stillInGroup())) return;
    try {
      showStopLate(this.#left, this.#gate);
    } catch (error) {
      // It may succeed the next time, or the shell has ended by then.
      if (!isExpected(error)) throw error;
      verbose(`The shell, process ${shell}, is not shown a stop: ${error}`);
    }
  }

  /** All processes are looked at only when the known ones have ended: others may have been forked into the group. */
  #stillInGroup(): readonly Stat[] {
    const { group } = this.#left;
    const inGroup = (stat: Stat | undefined): stat is Stat =>
      stat !== undefined && stat.pgrp === group && isLive(stat);
    const known = this.#leftInPgrp.map((pid) => readStat(pid)).filter(inGroup);
    if (known.length > 0) return known;
    const found = readStats().filter(inGroup).filter(({ pid }) => pid !== this.#left.process.pid);
    this.#leftInPgrp = found.map(({ pid }) => pid);
    return found;
  }
}

/** Whether a process that runs has the keyboard of the old terminal. */
function isUsed(leftInPgrp: readonly Stat[]): boolean {
  return leftInPgrp.some(({ state }) => state !== "T");
}

/**
 * The stop of one process, long after its move: nothing has to be undone, and the shell needs no SIGTERM discarded. The move
 * itself stops all children of the shell at once: showStop() in show_stop.ts.
 */
function showStopLate({ process, shell, group }: LeftBehind, gate: Gate): void {
  using member = waitOut(seizingMember(process, new Deadline(STOP_SECONDS), gate));
  if (member.tracee.wasJobStopped) return;
  const isStopped = enterGroupStop(member.tracee);
  if (isStopped) waitForPrompt(shell, group);
  using remote = RemoteSyscalls.begin(member.tracee);
  continueUnseen(remote);
  verbose(`The shell, process ${shell}, has its terminal back`);
}
