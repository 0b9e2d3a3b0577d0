/** What a preflight has found of a target. */
import type { Descriptor } from "../../proc/fds.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import type { Stat } from "../../proc/stat.ts";
import type { Status } from "../../proc/status.ts";
import type { Kinship } from "./filter/shared_filter.ts";
import type { JobMember } from "./job_members.ts";
import type { OldTerminal } from "./old_terminal.ts";
import type { NamedProcess } from "./refusals.ts";

/** What is known of a target that may be moved, as it was a moment ago. */
export interface PreflightFacts {
  readonly pid: number;
  /** A thread that runs: `pid`, unless the first thread has exited before the others. */
  readonly tid: number;
  readonly command: string;
  /** Of the process. */
  readonly stat: Stat;
  /** Of the thread `tid`. */
  readonly status: Status;
  /** Every open descriptor, ascending. */
  readonly fds: readonly Descriptor[];
  /** The terminal to leave, with the descriptors on it; undefined for a target on none, with --force-stdio. */
  readonly oldTerminal: OldTerminal | undefined;
  /** The others of its job, which move with it: `jobMembers()`. With --alone only the members that are in its way. */
  readonly members: readonly JobMember[];
  /** Processes near the job that are no part of it and stay where they are: `bystandersOf()`. */
  readonly bystanders: readonly ProcessIdentity[];
  /** The bystanders that are in its process group. */
  readonly inGroup: readonly NamedProcess[];
  /** How it is known that the filter is ours, where it is not suspended. */
  readonly sharedFilter: Kinship | undefined;
}
