/** The closing table of a soak. Pure. */

/** Where a harm happened, so that it can be had again. */
export interface Where {
  readonly seed: number;
  readonly round: number;
  readonly step: number;
  readonly subject: string;
  readonly storm: string;
}

export interface Harm extends Where {
  readonly what: string;
}

export class Tally {
  readonly #counts = new Map<string, number>();
  readonly #refusals = new Map<string, number>();
  readonly #known = new Map<string, number>();
  readonly harms: Harm[] = [];

  /** `what`: `moves`, `kills`, `faults`, `signals`, `rounds`, or one of them with an outcome behind a colon. */
  count(what: string, times = 1): void {
    add(this.#counts, what, times);
  }

  refused(message: string): void {
    add(this.#refusals, withoutNumbers(message));
  }

  known(what: string): void {
    add(this.#known, withoutNumbers(what));
  }

  harmed(harm: Harm): void {
    this.harms.push(harm);
  }

  /** The table, as lines. */
  lines(): string[] {
    const sum = (what: string) => this.#counts.get(what) ?? 0;
    const outcomes = (what: string) => {
      const found = [...this.#counts].filter(([key]) => key.startsWith(`${what}: `)).sort();
      const text = found.map(([key, count]) => `${count} ${key.slice(what.length + 2)}`);
      return text.length === 0 ? "" : `  (${text.join(", ")})`;
    };
    const row = (what: string) => `${what.padEnd(8)} ${sum(what)}${outcomes(what)}`;
    return [
      ...["rounds", "moves", "kills", "faults", "signals"].map(row),
      ...section("refused", this.#refusals),
      ...section("known", this.#known),
      `harmed   ${this.harms.length}`,
      ...this.harms.map((harm) => `  ${harmText(harm)}`),
    ];
  }
}

/** What an error says, without the screens that it shows: their last bytes are enough. */
export function errorText(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split("\n");
  return [lines[0], ...lines.slice(1).filter((line) => line.startsWith("and its output ended"))]
    .join("; ");
}

/** One line, with what brings it about again. */
export function harmText({ seed, round, step, subject, storm, what }: Harm): string {
  return `${what} - ${subject}, step ${step}: ${storm} [--seed ${seed} --round ${round}]`;
}

function section(title: string, counts: ReadonlyMap<string, number>): string[] {
  const sum = [...counts.values()].reduce((all, one) => all + one, 0);
  const rows = [...counts].sort(([, a], [, b]) => b - a)
    .map(([what, count]) => `  ${String(count).padStart(5)}  ${what}`);
  return [`${title.padEnd(8)} ${sum}`, ...rows];
}

function add(counts: Map<string, number>, what: string, times = 1): void {
  counts.set(what, (counts.get(what) ?? 0) + times);
}

/** PIDs, descriptors and addresses are others each time. */
function withoutNumbers(text: string): string {
  return text.replace(/\b0x[0-9a-f]+\b|\b[0-9a-f]{8,}\b|\d+/g, "N");
}
