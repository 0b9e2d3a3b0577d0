/** Room in the descriptor tables of a job for what a move opens there: FileRoom. */
import type { Member } from "./job/member.ts";
import type { MovePlan } from "./descriptors/plan.ts";
import { sharesTable } from "./descriptors/kcmp.ts";

export { countOf } from "./descriptors/send_fds.ts";

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
    const sharing = member.hasRoom(all)
      ? [wish]
      : wishes.filter((other) =>
        other === wish || sharesTable(member.tracee.mainTid, other.member.tracee.mainTid)
      );
    member.makeRoom(sum(sharing.map(roomOf)), highestOf(plan));
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
