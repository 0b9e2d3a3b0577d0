/** Bounded polling, by iterations rather than time: so a slow machine has its turn, too. */

/** Rounds of looks at all that are left. */
const ROUNDS = 30;
/** Looks in all: among many, each gets fewer. */
const LOOKS = 300;

/** Look at each of `all`, with a pause after each round, until it `is` so no more, for none or for long enough. */
export function pollUntilNone<T>(
  all: readonly T[],
  is: (one: T) => boolean,
  pause: () => void,
): void {
  let left = all;
  for (let rounds = 0, looks = 0; rounds < ROUNDS && looks < LOOKS; rounds++) {
    looks += left.length;
    left = left.filter(is);
    if (left.length === 0) return;
    pause();
  }
}
