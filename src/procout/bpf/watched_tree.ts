/** Begins the watch of processes that are there already, by /proc; and has this program run before those that it reads. */
import { setNice } from "../../ffi/process.ts";
import { isEnding } from "../../proc/stat.ts";
import { listTids, readChildren } from "../../proc/tasks.ts";
import type { WatchRequest } from "../engine.ts";
import type { LoadedPrograms } from "./loaded.ts";

/** A program that holds others back must not wait for them. */
const READER_NICE = -10;

/** Prefers all threads of this program, also those that wait in poll(2) for it. */
export function preferReader(): void {
  for (const tid of listTids(Deno.pid) ?? []) setNice(tid, READER_NICE);
}

/**
 * Watches the descendants of the requested processes. A child may be born meanwhile: the kernel notes a child of a
 * watched process, and the children of all others are found here.
 */
export function watchDescendants(
  { pids, excludedPids }: WatchRequest,
  loaded: LoadedPrograms,
): void {
  const seen = new Set<number>(pids);
  for (const pid of seen) {
    for (const child of (listTids(pid) ?? []).flatMap((tid) => readChildren(pid, tid))) {
      if (child === Deno.pid || seen.has(child)) continue;
      seen.add(child);
      if (excludedPids?.has(child)) continue;
      loaded.watch(child);
      // The kernel tells nothing of a child that ended before it was noted.
      if ((listTids(child) ?? []).every((tid) => isEnding(child, tid))) loaded.forget(child);
    }
  }
}
