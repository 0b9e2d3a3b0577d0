/**
 * A job that another reptyr has moved to the terminal which `-T` takes. Its keys, the SIGHUP of its old shell and its
 * helpers are ours to see to from then on: serve.ts.
 */
import { RefusedError, StopTimeoutError, SyscallError, TraceeDiedError } from "../errors.ts";
import { verbose } from "../log.ts";
import { isLive } from "../proc/stat.ts";
import { type Helpers, isIn } from "./helpers.ts";
import type { ProcessName, ShieldRecord } from "./job_record.ts";
import type { KnownRecord } from "./known_records.ts";
import { Member } from "./member.ts";
import { readStats } from "../proc/stats.ts";
import type { PublishedRecord } from "./published_record.ts";
import type { Authority } from "./record_holder.ts";
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
  record: KnownRecord,
  published: PublishedRecord,
  timeoutSeconds: number,
): ServedJob {
  const { target, shell, groups = [], authority } = record;
  const shields = record.shields.map((shield) => adopt(shield, authority, timeoutSeconds))
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
  return { target: target.pid, shell, helpers: { groups, pids, authority }, shields, publish };
}

function adopt(
  record: ShieldRecord,
  authority: Authority,
  timeoutSeconds: number,
): SighupShield | undefined {
  const { process } = record;
  if (!authority.mayTrace(process)) return undefined;
  try {
    using member = Member.seize(process.pid, timeoutSeconds);
    return member.within((remote) => SighupShield.adopt(remote, record, authority));
  } catch (error) {
    const expected = [RefusedError, StopTimeoutError, SyscallError, TraceeDiedError];
    if (!expected.some((one) => error instanceof one)) throw error;
    verbose(`Process ${process.pid} goes on ignoring SIGHUP: ${error}`);
    return undefined;
  }
}
