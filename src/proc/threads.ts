/** Asking a process for what all its threads share, by one of them: memory, descriptors, credentials. */
import { isEnding, livingThread } from "./stat.ts";

/** How often another thread is tried. Some threads end before they have been read once. */
const TRIES = 20;

/**
 * What `read` finds by a thread of process `pid` that lives from its beginning to its end; undefined when no thread does.
 * A thread that ends meanwhile shows less and less: its answer does not count, and another thread is asked.
 */
export function throughThread<T>(pid: number, read: (tid: number) => T): T | undefined {
  for (let tries = 0; tries < TRIES; tries++) {
    const tid = livingThread(pid);
    if (tid === undefined) return undefined;
    try {
      const found = read(tid);
      if (!isEnding(pid, tid)) return found;
    } catch (error) {
      if (!isEnding(pid, tid)) throw error;
    }
  }
  return undefined;
}
