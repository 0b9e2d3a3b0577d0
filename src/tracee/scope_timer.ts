/** How long threads have had our registers, in all and at most: for diagnostics and benchmarks. */

export interface RemoteScopes {
  readonly count: number;
  /** The scopes among them that had no signal frames. */
  readonly bare: number;
  readonly longestMs: number;
  readonly totalMs: number;
}

/** Adds up all remote scopes that have ended. */
export class ScopeTimes {
  #soFar: RemoteScopes = { count: 0, bare: 0, longestMs: 0, totalMs: 0 };

  get soFar(): RemoteScopes {
    return this.#soFar;
  }

  add(lengthMs: number, hasSigframes: boolean): void {
    const { count, bare, longestMs, totalMs } = this.#soFar;
    this.#soFar = {
      count: count + 1,
      bare: bare + (hasSigframes ? 0 : 1),
      longestMs: Math.max(longestMs, lengthMs),
      totalMs: totalMs + lengthMs,
    };
  }
}

/** Measures one remote scope, from its making on. */
export class ScopeTimer {
  readonly #start = performance.now();

  constructor(readonly times: ScopeTimes, readonly hasSigframes: boolean) {}

  stop(): void {
    this.times.add(performance.now() - this.#start, this.hasSigframes);
  }
}
