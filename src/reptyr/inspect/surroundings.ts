/** What a look at a target needs of this machine and this reptyr, and what tracing a process depends on. */
import { readCommand } from "../../proc/command.ts";
import { readable } from "../../proc/gone.ts";
import { readStat, type Stat } from "../../proc/stat.ts";
import { readLiveStats } from "../../proc/stats.ts";
import { listTids } from "../../proc/tasks.ts";
import { throughThread } from "../../proc/threads.ts";
import { readAttachFacts, readSelfFacts, readYamaLevel } from "../../tracee/attach_facts.ts";
import type { AttachFacts, SelfFacts } from "../../tracee/attach_failure.ts";
import { isSuspendedReptyr } from "../gate/suspended.ts";
import type { JobRecord } from "../record/job_record.ts";
import { readSharedFilter } from "./filter/filter_facts.ts";
import type { FilterFacts } from "./filter/shared_filter.ts";
import { ancestorsOf } from "./job_members.ts";

/** What is the same for every target: read once where many are looked at. */
export interface Surroundings {
  /** Every process that is not a zombie. */
  readonly table: readonly Stat[];
  readonly ancestors: readonly number[];
  readonly self: SelfFacts;
  readonly yama: number | undefined;
  readonly records: RecordReader;
  /** What tracing process `pid` depends on, read once; undefined when there is no such process. */
  readonly attachFacts: (pid: number) => (AttachFacts & FilterFacts) | undefined;
}

/** Reads the records of other reptyrs: known_records.ts. */
export type RecordReader = () => readonly JobRecord[];

/** Without the `records` of other reptyrs, members that an earlier move has left in their old session are not found. */
export function readSurroundings(
  table = readLiveStats(),
  records: RecordReader = () => [],
): Surroundings {
  const ours = { self: readSelfFacts("reptyr"), yama: readYamaLevel() };
  const known = new Map<number, (AttachFacts & FilterFacts) | undefined>();
  const attachFacts = (pid: number) => {
    if (!known.has(pid)) known.set(pid, readable(() => readAttachFactsOf(pid, ours)));
    return known.get(pid);
  };
  return { table, ancestors: ancestorsOf(Deno.pid, table), ...ours, records, attachFacts };
}

/** Undefined when there is no such process, or it ends while we look at it. A zombie has no `tid`. */
export function readAttachFactsOf(
  pid: number,
  ours: Pick<Surroundings, "self" | "yama">,
): (AttachFacts & FilterFacts & { readonly stat: Stat }) | undefined {
  const readBy = (tid: number | undefined) => {
    const stat = readStat(pid);
    const tids = listTids(pid);
    if (stat === undefined || tids === undefined) return undefined;
    const command = readCommand(pid, tid);
    const attach = readAttachFacts(pid, tids, tid, ours, isSuspendedReptyr);
    if (command === undefined || attach === undefined) return undefined;
    const sharedFilter = readSharedFilter(pid, tid, attach.status, ours.self.status);
    return { ...attach, command, stat, sharedFilter };
  };
  return throughThread(pid, readBy) ?? readBy(undefined);
}
