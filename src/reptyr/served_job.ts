/**
 * A job that another reptyr has moved to the terminal which `-T` takes. Its keys, the SIGHUP of its old shell and its
 * helpers are ours to see to from then on: serve.ts.
 */
import { RefusedError, StopTimeoutError, SyscallError, TraceeDiedError } from "../errors.ts";
import { verbose } from "../log.ts";
import { isLive, readStat } from "../proc/stat.ts";
import { type Helpers, isIn } from "./helpers.ts";
import type { JobRecord, ProcessName, ShieldRecord } from "./job_record.ts";
import { Member } from "./member.ts";
import { readStats } from "../proc/stats.ts";
import type { PublishedRecord } from "./published_record.ts";
import { SighupShield } from "./sighup_shield.ts";

export interface ServedJob {
  readonly target: number;
  /** The shell that it is a job of, or was. */
  readonly shell: ProcessName | undefined;
  readonly helpers: Helpers;
  readonly shields: readonly SighupShield[];
  /** Tell the next reptyr what there is to know just now. */
  readonly publish: () => void;
}

/**
 * Serve the job of `record` in the place of the reptyr that wrote it, which has lost its terminal. The next one is told
 * by `published`. A member that cannot be stopped within `timeoutSeconds` goes on ignoring SIGHUP.
 */
export function takeOverJob(
  record: JobRecord,
  published: PublishedRecord,
  timeoutSeconds: number,
): ServedJob {
  const { target, shell, groups = [] } = record;
  const shields = record.shields.map((shield) => adopt(shield, timeoutSeconds))
    .filter((shield) => shield !== undefined);
  const pids = readStats().filter((stat) =>
    isLive(stat) && groups.some((group) => isIn(group, stat))
  )
    .map(({ pid }) => pid);
  const publish = () =>
    published.write({
      ...record,
      shields: shields.map(({ record }) => record).filter((one) => one !== undefined),
    });
  publish();
  return { target, shell, helpers: { groups, pids }, shields, publish };
}

function adopt(record: ShieldRecord, timeoutSeconds: number): SighupShield | undefined {
  const { pid, startTime } = record.process;
  if (readStat(pid)?.startTime !== startTime) return undefined;
  try {
    using member = Member.seize(pid, timeoutSeconds);
    return member.within((remote) => SighupShield.adopt(remote, record));
  } catch (error) {
    const expected = [RefusedError, StopTimeoutError, SyscallError, TraceeDiedError];
    if (!expected.some((one) => error instanceof one)) throw error;
    verbose(`Process ${pid} goes on ignoring SIGHUP: ${error}`);
    return undefined;
  }
}
