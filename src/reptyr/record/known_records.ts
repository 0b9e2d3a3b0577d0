/** What other reptyrs say of jobs that they serve, as far as they may be believed. */
import { verbose } from "../../log.ts";
import { readable } from "../../proc/gone.ts";
import { lookAgain } from "../../proc/look_again.ts";
import { type Memfd, readMemfd } from "../../proc/memfd.ts";
import { isSame, type ProcessIdentity } from "../../proc/process_identity.ts";
import { hasEnded } from "../../proc/second_look.ts";
import { isLive, readStat, type Stat } from "../../proc/stat.ts";
import { readStats } from "../../proc/stats.ts";
import { listPids } from "../../proc/tasks.ts";
import { speaksForItself } from "../gate/authority.ts";
import { type Authority, readSurroundings, RecordHolder } from "../gate/record_holder.ts";
import { type JobRecord, MAX_RECORD_SIZE, parseRecord, type RelayedGroup } from "./job_record.ts";
import { RECORD_NAME } from "./published_record.ts";

/**
 * A record in which all is left out that its holder could not do itself. What is done on its word later is to be asked of
 * `authority` once more: processes change.
 */
export interface KnownRecord extends JobRecord {
  readonly authority: Authority;
}

/**
 * The records of other reptyrs. A process is asked for one that is called what we are: that is a claim, too, and keeps
 * nothing out but those who would not have one.
 */
export function readRecords(): KnownRecord[] {
  const own = readStat(Deno.pid)?.comm;
  const pids = listPids().filter((pid) =>
    pid !== Deno.pid && readable(() => readStat(pid))?.comm === own
  );
  if (pids.length === 0) return [];
  const around = readSurroundings();
  const scan = new Scan();
  return pids.map((pid) => RecordHolder.read(pid, around)).filter((holder) => holder !== undefined)
    // What root says comes first: of two that speak of one job, the user's may be a trap.
    .sort((a, b) => Number(b.isRoot) - Number(a.isRoot))
    .map((holder) => recordOf(holder, scan)).filter((record) => record !== undefined);
}

/** No user's records are read any further, so that nobody holds us up with more, or hides those of others. */
const MOST_OF_USER = 1 << 20;

/** What the looking for records has cost so far. */
export class Scan {
  readonly #read = new Map<number, number>();
  #stats: readonly Stat[] | undefined;

  /** How long the next record may be that user `uid` has made. */
  readonly room = (uid: number): number =>
    Math.min(MAX_RECORD_SIZE, MOST_OF_USER - (this.#read.get(uid) ?? 0));

  note({ uid, bytes }: Memfd): void {
    this.#read.set(uid, (this.#read.get(uid) ?? 0) + bytes.length);
  }

  /** All processes that live, as they are when first asked for. */
  get stats(): readonly Stat[] {
    return this.#stats ??= readStats().filter(isLive);
  }
}

/** A reptyr has one record at most. A target that it could not have moved is none of its own. */
function recordOf(holder: RecordHolder, scan: Scan): KnownRecord | undefined {
  const file = readMemfd(holder.pid, RECORD_NAME, scan.room);
  if (file === undefined) return undefined;
  scan.note(file);
  if (!speaksForItself(holder.credentials, file)) return undefined;
  const record = parseRecord(new TextDecoder().decode(file.bytes));
  if (record === undefined) return undefined;
  const isForbidden = (may: boolean) => !may && !hasEnded(record.target);
  if (!lookAgain(() => holder.mayTrace(record.target), isForbidden)) return undefined;
  const { groups, members, shields } = record;
  return {
    ...record,
    ...groups === undefined ? {} : {
      groups: groups.filter((group) => believed(holder, group, scan.stats)),
    },
    ...members === undefined ? {} : { members: members.filter(holder.mayTrace) },
    shields: shields.filter(({ process }) => holder.mayTrace(process)),
    authority: holder,
  };
}

/** A group only if all that are in it pass. */
function believed(holder: RecordHolder, { session, pgrp }: RelayedGroup, stats: readonly Stat[]) {
  const members = stats.filter((stat) => stat.session === session && stat.pgrp === pgrp);
  const stranger = members.find((one) => !holder.maySignal(one));
  if (stranger !== undefined) {
    verbose(
      `Process ${holder.pid} names process group ${pgrp}, in which it may not signal process ${stranger.pid}`,
    );
  }
  return members.length > 0 && stranger === undefined;
}

/** The record of the reptyr that serves the job of `target`. */
export function recordFor(
  target: ProcessIdentity,
  records: readonly KnownRecord[],
): KnownRecord | undefined {
  return records.find((one) => isSame(one.target, target));
}
