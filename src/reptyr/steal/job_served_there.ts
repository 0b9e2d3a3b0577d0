/** The job that another reptyr may serve on a terminal: found before that reptyr loses the terminal, taken over afterwards. */
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import { readLiveStats } from "../../proc/stats.ts";
import type { DeviceFile } from "../../tty/master.ts";
import { type KnownRecord, readRecords } from "../record/known_records.ts";
import { PublishedRecord } from "../record/published_record.ts";
import { isIn } from "../record/relayed_groups.ts";
import { type ServedJob, takeOverJob } from "../serve/adopt_job.ts";
import { continueServed } from "../serve/hold.ts";
import type { FoundTerminal } from "./found_terminal.ts";

export class JobServedThere implements Disposable {
  readonly #found: FoundTerminal;
  readonly #record: KnownRecord | undefined;
  readonly #published: PublishedRecord | undefined;

  /** That reptyr looks for the next one's record when it loses its terminal: so ours is published from now on. */
  constructor(found: FoundTerminal) {
    this.#found = found;
    this.#record = readRecords().find(({ target, groups }) =>
      target.pid === found.wanted.session && groups !== undefined
    );
    this.#published = this.#record && new PublishedRecord(this.#record.target);
  }

  /** Continue that reptyr and its job where ^Z has stopped them. */
  continue(): void {
    continueServed(this.#found.holders, stoppedWith(this.#found, this.#record));
  }

  /** The job as ours, on the slave `terminal`. Undefined when no reptyr served one. */
  takeOver(terminal: DeviceFile | undefined): ServedJob | undefined {
    if (this.#record === undefined || this.#published === undefined) return undefined;
    return takeOverJob(this.#record, this.#published, terminal);
  }

  [Symbol.dispose](): void {
    this.#published?.[Symbol.dispose]();
  }
}

/** The processes that ^Z may have stopped with the reptyr that serves the terminal: its foreground, and the groups of its record. */
function stoppedWith(
  { wanted }: FoundTerminal,
  served: KnownRecord | undefined,
): ProcessIdentity[] {
  const groups = served?.groups ?? [];
  return readLiveStats().filter((stat) =>
    stat.session === wanted.session && stat.pgrp === stat.tpgid ||
    groups.some((group) => isIn(group, stat))
  );
}
