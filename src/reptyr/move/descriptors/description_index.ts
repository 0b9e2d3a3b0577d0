/** Which descriptors are one open file description, found with few comparisons. Pure. */

/** The place of one description before or after another one in some fixed order; "unknown" when nobody tells. */
export type Order = "same" | "before" | "after" | "unknown";

/** The order of descriptor `fd1` of process `pid1` and `fd2` of `pid2`: kcmp(2). */
export type Compare = (pid1: number, fd1: number, pid2: number, fd2: number) => Order;

interface Entry<T> {
  readonly pid: number;
  readonly fd: number;
  readonly value: T;
}

/**
 * Open file descriptions with a value each. A process may have thousands, so each is found by halving: comparing every
 * pair of 2000 descriptions takes two million system calls, while the job stands still.
 */
export class DescriptionIndex<T> {
  /** One for each description, in the order that `compare` tells. */
  readonly #sorted: Entry<T>[] = [];

  constructor(readonly compare: Compare) {}

  /**
   * The value of the description behind descriptor `fd` of process `pid`; for a new one it is made by `create`. On a
   * kernel without CONFIG_KCMP all descriptors seem to be of different descriptions.
   */
  get(pid: number, fd: number, create: () => T): T {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#sorted[middle]!; // not undefined: 0 <= middle < length
      const order = this.compare(entry.pid, entry.fd, pid, fd);
      if (order === "same") return entry.value;
      // Without a place in the order it is not kept: nothing could be found by it.
      if (order === "unknown") return create();
      if (order === "before") low = middle + 1;
      else high = middle;
    }
    const value = create();
    this.#sorted.splice(low, 0, { pid, fd, value });
    return value;
  }
}
