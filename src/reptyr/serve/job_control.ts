/**
 * The keys that mean a signal, where the kernel's own way does not reach.
 *
 * ^Z: the kernel ignores it for an orphaned group, which the moved job's is:
 * docs/kernel-notes.md#ctrl-z-and-orphaned-groups. So we stop the job by SIGSTOP, and ourselves as ^Z would: our own
 * shell prompts, and its `fg`, `bg` and `jobs` work for us and through us for the job. A group that is not orphaned,
 * such as a job of a moved shell, is left to the kernel. A job that stops itself by SIGSTOP has no shell that would hear
 * of it: we look for that stop (docs/kernel-notes.md#only-waitpid-of-the-parent-tells-of-a-stop), and stop ourselves too.
 *
 * ^C, ^\\ and window changes: relayed groups get them from us, signal_relay.ts, parents before their children
 * (docs/kernel-notes.md#a-script-judges-its-command-by-its-own-signals). Where there are relayed groups such a key does
 * not reach the line discipline: docs/kernel-notes.md#a-signal-key-discards-output.
 */
import { SIGTSTP } from "../../ffi/constants.ts";
import { SyscallError } from "../../errors.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { getpgrp } from "../../ffi/process.ts";
import { readStat } from "../../proc/stat.ts";
import { hasSignal, readStatus } from "../../proc/status.ts";
import { readLiveStats } from "../../proc/stats.ts";
import { foregroundGroup } from "../../tty/foreground.ts";
import type { Pty } from "../../tty/pty.ts";
import type { KeySource } from "../../tty/pump.ts";
import { SignalKeys } from "../../tty/signal_keys.ts";
import { TakenKeys } from "../../tty/taken_keys.ts";
import { getTermios } from "../../tty/termios.ts";
import type { UserTerminal } from "../../tty/user_terminal.ts";
import {
  ancestorsAmong,
  continueHearers,
  hearersOf,
  signalProcesses,
  signalRelayedOthers,
  stopHearers,
} from "./signal_relay.ts";
import { holdChildren } from "./hold.ts";
import { isOrphaned } from "../frontend/orphans.ts";
import { isStoppedJob } from "./stopped_job.ts";
import type { TtyForeground } from "../frontend/tty_foreground.ts";
import { identityOf, type ProcessIdentity } from "../../proc/process_identity.ts";
import type { Audience } from "../move/attachment.ts";

/**
 * Between two looks whether the job has stopped itself. The pump comes by every tenth of a second until a second after
 * the last bytes, and then only when something happens: nothing tells of a stop, and reptyr is to sleep.
 */
const LOOK_MS = 50;

export interface JobControlOptions {
  /** Whose keys these are. */
  readonly source: KeySource;
  readonly pty: Pty;
  readonly terminal: UserTerminal;
  readonly turn: TtyForeground;
  readonly job: Audience & {
    /** The shell that it is a job of, or was. */
    readonly shell: ProcessIdentity | undefined;
  };
}

export class JobControl implements KeySource {
  readonly #options: JobControlOptions;
  readonly #keys = new SignalKeys();
  readonly #taken: TakenKeys;
  /** Bytes that were typed behind a ^Z, or from a key on that we act upon. */
  #held: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #stopping = false;
  #knowsSettings = false;
  #lastLook = -Infinity;
  #wasStopped = false;

  constructor(options: JobControlOptions) {
    this.#options = options;
    this.#taken = new TakenKeys(options.pty);
  }

  get listening(): boolean {
    return this.#options.source.listening;
  }

  get hasHeld(): boolean {
    const held = this.#held.length > 0 || this.#options.source.hasHeld;
    return held && !this.#stopping;
  }

  /** What the source reads, without the keys that we act upon. */
  readonly read = (fd: number, bytes: Uint8Array<ArrayBuffer>): number => {
    if (this.#stopping) return -ERRNO.EAGAIN;
    // What the key brings about is shown before the job is looked at.
    this.#lastLook = performance.now();
    let count = this.#held.length;
    if (count > 0) bytes.set(this.#held);
    else count = this.#options.source.read(fd, bytes);
    this.#held = new Uint8Array(0);
    return count <= 0 ? count : this.#actUpon(bytes.subarray(0, count));
  };

  /** What was typed up to the signal keys has been passed on. */
  readonly beforeWait = (isIdle: boolean): void => {
    this.#taken.retryEcho();
    this.#options.source.beforeWait(isIdle);
    if (!this.#stopping && !this.#hasStoppedItself()) return;
    this.#stopping = this.#wasStopped = false;
    this.#stop();
  };

  /**
   * Tell all that `key` is for, parents before their children. Helpers that are not above the target come after it: a
   * program that sees its pipe end does not end by the signal, and a target that is a script is to hear of it before its
   * child ends.
   */
  #press(key: number, signal: number): void {
    const { pty, job } = this.#options;
    // Looked up beforehand: a program that writes without end fills the terminal again until it is told.
    const above = ancestorsAmong(job, pty.master);
    this.#taken.take(key);
    signalProcesses(job, above, signal);
    pty.signalForeground(signal);
    signalRelayedOthers(job, signal, above);
  }

  #readSettings(): void {
    try {
      this.#keys.learn(getTermios(this.#options.pty.master));
      this.#knowsSettings = true;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
  }

  /** How many of `bytes` are for the target. */
  #actUpon(bytes: Uint8Array<ArrayBuffer>): number {
    // Letters mean no signal, but where a user has chosen one by stty(1) since a control key was last pressed.
    if (!this.#knowsSettings || bytes.some(isControl)) this.#readSettings();
    if (!this.#knowsSettings) return bytes.length;
    for (const { index, signal } of this.#keys.find(bytes)) {
      if (signal === SIGTSTP && this.#canStop()) {
        this.#held = bytes.slice(index + 1);
        this.#stopping = true;
        return index === 0 ? -ERRNO.EAGAIN : index;
      }
      if (signal === SIGTSTP || this.#options.job.relayed.groups.length === 0) continue;
      if (index > 0) {
        // What was typed before comes first.
        this.#held = bytes.slice(index);
        return index;
      }
      this.#held = bytes.slice(1);
      this.#press(bytes[0]!, signal);
      return -ERRNO.EAGAIN;
    }
    return bytes.length;
  }

  /**
   * Whether ^Z is for us to act upon: it is a key and no byte of a text, the kernel would ignore it, the job does not
   * want to ignore it itself, and a shell is there to continue us. What a job that is stopped already ignores does not
   * count: who, if not that shell, is to continue it?
   */
  #canStop(table = readLiveStats()): boolean {
    const { pty, terminal } = this.#options;
    if (!terminal.keyboardIsTerminal) return false;
    const group = this.#group();
    if (group === undefined) return false;
    return (foregroundGroup(pty.master) === undefined || isOrphaned(group, table)) &&
      !isOrphaned(getpgrp(), table) &&
      (isStopped(group) || !ignoresStop(group));
  }

  /** The group that the keys are for. Without a foreground group the kernel signals nobody: the target has stayed in its session. */
  #group(): number | undefined {
    const { pty, job: { relayed } } = this.#options;
    return foregroundGroup(pty.master) ?? relayed.groups[0]?.pgrp;
  }

  /** Found at two looks: what was written before the stop has been passed on between them. */
  #hasStoppedItself(): boolean {
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
    // One file for the usual answer.
    if (group === undefined || !isStopped(group)) return false;
    const table = readLiveStats();
    const members = hearersOf(job, pty.master, table);
    return isStoppedJob(members) && this.#canStop(table) && turn.checkForeground();
  }

  #stop(): void {
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

function isControl(byte: number): boolean {
  return byte < 0x20 || byte >= 0x7f;
}

/** Whether the leader of the group ignores SIGTSTP, as interactive shells do. */
function ignoresStop(group: number): boolean {
  return hasSignal(readStatus(group)?.sigIgnored ?? 0n, SIGTSTP);
}
