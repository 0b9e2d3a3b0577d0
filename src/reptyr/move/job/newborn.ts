/** Processes of a stopped job that have come to it, or have ended in it, since it was looked at. */
import { isLive, readStat, type Stat } from "../../../proc/stat.ts";
import { listTids, readChildren } from "../../../proc/tasks.ts";
import { evidenceOf } from "../../inspect/job_evidence.ts";
import { type JobMember, jobMembers, othersInTheWay } from "../../inspect/job_members.ts";
import type { KnownRecord } from "../../record/known_records.ts";
import type { Member } from "./member.ts";

/** Of the children of `parents`, all that there are, zombies among them. Exact for parents that are stopped: readChildren(). */
export function childrenOf(parents: readonly number[]): Stat[] {
  return parents
    .flatMap((pid) => (listTids(pid) ?? []).flatMap((tid) => readChildren(pid, tid)))
    .map((pid) => readStat(pid))
    .filter((stat) => stat !== undefined);
}

interface StoppedMembers {
  readonly target: Member;
  readonly members: readonly Member[];
  readonly alone: boolean;
}

/** Members that nobody has stopped yet. New members can only be forked by unstopped members. */
export function newbornOf(
  { target, members, alone }: StoppedMembers,
  record: KnownRecord | undefined,
): JobMember[] {
  const stopped = new Set(members.map(({ pid }) => pid));
  const fresh = childrenOf([...stopped]).filter((stat) => !stopped.has(stat.pid) && isLive(stat));
  const { stat, status: { nsPid }, terminal } = target;
  const evidence = evidenceOf({ nsPid, terminal: terminal?.identity }, record);
  // What is known of members that stand still already is not read again.
  const found = jobMembers(stat, [...members.map(({ stat }) => stat), ...fresh], Deno.pid, {
    ...evidence,
    usesTerminal: (pid) => stopped.has(pid) || evidence.usesTerminal(pid),
    isInit: (pid) => !stopped.has(pid) && evidence.isInit(pid),
  });
  return (alone ? othersInTheWay(stat, found) : found).filter(({ pid }) => !stopped.has(pid));
}
