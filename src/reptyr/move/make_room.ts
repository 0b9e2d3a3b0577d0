/** Room in the descriptor tables of a job for what a move opens there: FileRoom. */
import { limitFor, readOpenFilesLimit } from "../../proc/limits.ts";
import { FileRoom } from "./descriptors/file_room.ts";
import { sharesTable } from "./descriptors/kcmp.ts";
import type { MovePlan } from "./descriptors/plan.ts";
import { FIRST_FREE } from "./descriptors/remote_fd.ts";
import type { Member } from "./job/member.ts";

export interface Wish {
  readonly member: Member;
  readonly plan: MovePlan;
  /** What it is given: at first the sockets that bring that are open beside it, later a copy of each that is replaced. */
  readonly wanted: number;
}

/** Throws RefusedError where there is no room; some of the limits are raised then, until the registers are given back. */
export function makeRoom(wishes: readonly Wish[]): void {
  const all = sum(wishes.map(roomOf));
  for (const wish of wishes) {
    const { member, plan } = wish;
    if (wish.wanted === 0) continue;
    // A process may share the table of another one, and does so hardly ever: it takes a call to know.
    const sharing = hasRoom(member, all)
      ? [wish]
      : wishes.filter((other) =>
        other === wish || sharesTable(member.tracee.mainTid, other.member.tracee.mainTid)
      );
    raise(member, sum(sharing.map(roomOf)), highestOf(plan));
  }
}

function roomOf({ wanted }: Wish): number {
  return wanted === 0 ? 0 : wanted + Math.max(2, wanted);
}

/** The highest number that is opened over; -1 for none. */
function highestOf({ descriptions }: MovePlan): number {
  return Math.max(
    -1,
    ...descriptions.flatMap(({ descriptors }) => descriptors.map(({ fd }) => fd)),
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Whether the member may open `count` more files. */
function hasRoom(member: Member, count: number): boolean {
  const soft = readOpenFilesLimit(member.pid, member.tracee.mainTid)?.soft ?? Infinity;
  return limitOf(member, soft, count, -1) <= soft;
}

/**
 * From now on the member may open `count` more files, and `highest` over what is open there. To be asked for at first: once
 * the shell has seen the job stop, that cannot be undone. Throws RefusedError.
 */
function raise(member: Member, count: number, highest: number): void {
  const before = readOpenFilesLimit(member.pid, member.tracee.mainTid);
  const needed = before && limitOf(member, before.soft, count, highest);
  if (before === undefined || needed === undefined || needed <= before.soft) return;
  member.useRoom(new FileRoom(before, needed));
}

function limitOf({ fds }: Member, soft: number, count: number, highest: number): number {
  return limitFor({ soft, used: fds.map(({ fd }) => fd), first: FIRST_FREE, count, highest });
}
