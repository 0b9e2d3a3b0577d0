/** A job that has been moved: what serving its terminal needs to know of it. */
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import type { WindowSize } from "../../tty/window_size.ts";
import type { Gate } from "../gate/gate.ts";
import type { UsesTerminal } from "../inspect/job_members.ts";
import type { RelayedGroups } from "../record/relayed_groups.ts";
import type { SighupShield } from "./session/sighup_shield.ts";

/** A job on a terminal that a reptyr serves, and which processes may be signalled for it. */
export interface Audience {
  /** PID of who leads it. */
  readonly target: number;
  readonly relayed: RelayedGroups;
  /** Admits the target and all that moved with it. */
  readonly gate: Gate;
  /** Whether a process has the served terminal open. */
  readonly usesTerminal: UsesTerminal;
}

/** What was moved, and those of it that the new terminal's signals do not reach by themselves. */
export interface Attachment extends Audience {
  /** The shell that the target is a job of, or was before its first move. */
  readonly shell: ProcessIdentity | undefined;
  /** Whether the target is still in its old session: zombies.ts. */
  readonly keepsSession: boolean;
  /** What of the job is changed for as long as we serve its terminal. */
  readonly shields: readonly SighupShield[];
  /** Whether the program that drives the screen sets it up and paints it by itself, as after `fg`. */
  readonly paintsItself: boolean;
  /** Of the old terminal; `undefined` when that was hung up. */
  readonly oldSize: WindowSize | undefined;
  /** Tell the next reptyr that moves the job what there is to know just now. */
  readonly publish: () => void;
  /** Where the target was moved alone out of the foreground job of a shell: the processes that the shell goes on waiting for. */
  readonly left?: LeftBehind;
}

/** A shell whose foreground job one process was moved out of: it waits for the rest. */
export interface LeftBehind {
  /** The process that was moved. */
  readonly process: ProcessIdentity;
  readonly shell: number;
  /** The process group of those that stayed. */
  readonly group: number;
}
