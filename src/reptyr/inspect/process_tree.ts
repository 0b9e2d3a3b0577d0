/** Which process is above which, by parents. PIDs do not tell: their numbers wrap. Pure. */

export interface Kin {
  readonly pid: number;
  readonly ppid: number;
}

/** The PIDs of all above any of `pids`, as far as `table` knows. */
export function ancestorsOf(pids: Iterable<number>, table: readonly Kin[]): ReadonlySet<number> {
  const parents = parentsIn(table);
  const found = new Set<number>();
  for (const pid of pids) lineOf(pid, parents).forEach((one) => found.add(one));
  return found;
}

/** `processes` with parents before their children, as `table` has them. */
export function parentsFirst<T extends Kin>(processes: readonly T[], table: readonly Kin[]): T[] {
  const parents = parentsIn(table);
  return processes.map((process) => ({ process, depth: lineOf(process.pid, parents).size }))
    .sort((a, b) => a.depth - b.depth).map(({ process }) => process);
}

function parentsIn(table: readonly Kin[]): ReadonlyMap<number, number> {
  return new Map(table.map(({ pid, ppid }) => [pid, ppid]));
}

/** A table that was not read in one moment may hold a circle, where a number was used again. */
function lineOf(pid: number, parents: ReadonlyMap<number, number>): ReadonlySet<number> {
  const line = new Set<number>();
  for (let at = parents.get(pid); at !== undefined && at > 0; at = parents.get(at)) {
    if (line.has(at)) break;
    line.add(at);
  }
  return line;
}
