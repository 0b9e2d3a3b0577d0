/**
 * Work on several tracees at the same time. What has to wait for a tracee is a generator that yields when it has just
 * let that run; the others get their turn until it has stopped again. No `await`: all of it is one synchronous piece.
 */

/** Yields where a tracee runs, and is to be continued by somebody who can wait for it, however others fare. */
export type Steps<T> = Generator<void, T, void>;

/** All steps, one after another. */
export function runToCompletion<T>(steps: Steps<T>): T {
  for (;;) {
    const turn = steps.next();
    if (turn.done === true) return turn.value;
  }
}

/**
 * The steps of all, in turns: what each of them comes to, in the same order. Every one is continued to its own end, also
 * when another throws: no tracee is left in the middle of a step. The first error is thrown then.
 */
export function interleave<T>(all: readonly Steps<T>[]): T[] {
  const results = new Array<T>(all.length);
  const errors: unknown[] = [];
  let going = all.map((steps, index) => ({ steps, index }));
  while (going.length > 0) {
    going = going.filter(({ steps, index }) => {
      try {
        const turn = steps.next();
        if (turn.done !== true) return true;
        results[index] = turn.value;
      } catch (error) {
        errors.push(error);
      }
      return false;
    });
  }
  if (errors.length > 0) throw errors[0];
  return results;
}
