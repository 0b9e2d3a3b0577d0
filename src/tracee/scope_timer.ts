/** How long threads have had our registers, in all and at most: for `--verbose`, and for the benchmark. */

export interface RemoteScopes {
  readonly count: number;
  /** Of them, those that had no safety net. */
  readonly bare: number;
  readonly longestMs: number;
  readonly totalMs: number;
}

let loans: RemoteScopes = { count: 0, bare: 0, longestMs: 0, totalMs: 0 };

/** All loans of this program up to now that have ended. */
export function scopesSoFar(): RemoteScopes {
  return loans;
}

/** Runs from its making. */
export class ScopeTimer {
  readonly #start = performance.now();

  constructor(readonly hasSigframes: boolean) {}

  stop(): void {
    const length = performance.now() - this.#start;
    loans = {
      count: loans.count + 1,
      bare: loans.bare + (this.hasSigframes ? 0 : 1),
      longestMs: Math.max(loans.longestMs, length),
      totalMs: loans.totalMs + length,
    };
  }
}
