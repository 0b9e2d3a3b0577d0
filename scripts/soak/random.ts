/** Chance that can be had again: the same seed and round give the same numbers. Pure. */

const TWO_TO_32 = 0x1_0000_0000;

/** mulberry32, a small generator of the public domain: enough to choose steps. */
export class Random {
  #state: number;

  constructor(seed: number, round: number) {
    this.#state = (Math.imul(seed, 0x9e37_79b1) ^ Math.imul(round + 1, 0x85eb_ca6b)) >>> 0;
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / TWO_TO_32;
  }

  /** A whole number from `least` to `most`. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)]!;
  }

  /** Whether something happens that happens so often. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }
}
