/** What a move is asked to do. */
import type { Pty } from "../../tty/pty.ts";
import type { FrontEnd } from "../frontend/front_end.ts";
import type { Patience } from "../frontend/patience.ts";
import type { MoveOptions } from "../inspect/move_options.ts";
import type { PreflightFacts } from "../inspect/preflight_facts.ts";
import type { KnownRecord } from "../record/known_records.ts";

/** Where a job is moved to, and how. */
export interface Course {
  /** The new terminal. */
  readonly pty: Pty;
  readonly options: MoveOptions;
  /** Waits for stops, and gives up when the user does not want to wait. */
  readonly patience: Patience;
  /** The user's side, which the new terminal is set up for. */
  readonly front: Pick<FrontEnd, "terminal" | "size">;
}

export interface Attempt extends Course {
  readonly facts: PreflightFacts;
  /** What other reptyrs tell of the job. */
  readonly otherRecords: readonly KnownRecord[];
  /** Whether to leave the target in its session where it cannot leave it. */
  readonly mayKeepSession: boolean;
}
