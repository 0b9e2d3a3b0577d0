/**
 * Work on several tracees at the same time. What has to wait for a tracee is a generator: it yields when it has just let
 * the tracee run, and the others get their turn until the tracee has stopped again. No `await`: all of it is one
 * synchronous piece.
 *
 * One convention: what lets a tracee run is written once, as a generator (Steps here, Waits in wait.ts, where the wait may
 * be given up), and a synchronous caller runs it by runToCompletion() or waitOut(). Only RemoteSyscalls.syscall(),
 * syscallOrThrow() and scratch, and Member.withRemote(), which most callers use, are such calls by another name.
 */

/** Yields where a tracee runs, and is to be continued until its end, whatever becomes of others. */
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
 * when another throws: no tracee is left in the middle of a step. A single error is thrown as it is then, several as an
 * AggregateError, the first one first.
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
  if (errors.length > 1) throw new AggregateError(errors, errors.map(messageOf).join("; "));
  if (errors.length > 0) throw errors[0];
  return results;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
