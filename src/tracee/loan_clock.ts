/** How long threads have had our registers, in all and at most: for `--verbose`, and for the benchmark. */

export interface Loans {
  readonly count: number;
  /** Of them, those that had no safety net. */
  readonly bare: number;
  readonly longestMs: number;
  readonly totalMs: number;
}

let loans: Loans = { count: 0, bare: 0, longestMs: 0, totalMs: 0 };

/** All loans of this program up to now that have ended. */
export function loansSoFar(): Loans {
  return loans;
}

/** Runs from its making. */
export class LoanClock {
  readonly #start = performance.now();

  constructor(readonly hasNet: boolean) {}

  stop(): void {
    const length = performance.now() - this.#start;
    loans = {
      count: loans.count + 1,
      bare: loans.bare + (this.hasNet ? 0 : 1),
      longestMs: Math.max(loans.longestMs, length),
      totalMs: loans.totalMs + length,
    };
  }
}
