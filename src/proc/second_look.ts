/**
 * A second look before anything is refused: what is read of a process that ends, or executes another program, shows less
 * and less, or something of both, for a moment. What such a moment shows is no reason for anything.
 */
import type { ProcessIdentity } from "./process_identity.ts";
import { livingThread, readStat, type Stat } from "./stat.ts";

/** How often to look at most: what is the same each time is so. */
const LOOKS = 5;

/** What `look` finds first that is no refusal; else the last refusal, once it was refused each time. */
export function lookWithPauses<T>(
  look: () => T,
  isRefusal: (found: T) => boolean,
  pause: () => void,
): T {
  for (let looks = 1;; looks++) {
    const found = look();
    if (looks === LOOKS || !isRefusal(found)) return found;
    pause();
  }
}

/** Whether the process has ended, or is about to: it is to be passed over, and is no reason to refuse anything. */
export function hasEnded({ pid, startTime }: ProcessIdentity): boolean {
  return isOver(startTime, readStat(pid), () => livingThread(pid) !== undefined);
}

/** {@linkcode hasEnded} of one that began at `startTime`: its number may be another's by now. `lives`: a thread of it does. */
export function isOver(startTime: bigint, now: Stat | undefined, lives: () => boolean): boolean {
  return now === undefined || now.startTime !== startTime || !lives();
}
