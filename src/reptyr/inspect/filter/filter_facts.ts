/** Reads whether a process is under the seccomp filters that this reptyr is under, and has their calls rehearsed. */
import { readWordBytes } from "../../../proc/auxv.ts";
import { procFolder, readable } from "../../../proc/gone.ts";
import { readStat } from "../../../proc/stat.ts";
import { readStatus, type Status } from "../../../proc/status.ts";
import { rehearse } from "./rehearsal.ts";
import { kinshipOf, type SharedFilter } from "./shared_filter.ts";

/** A filter that this reptyr shares with process `pid`, of which `tid` is a thread that runs. */
export function readSharedFilter(
  pid: number,
  tid: number | undefined,
  status: Status,
  self: Status,
): SharedFilter | undefined {
  if (status.seccomp === 0 || status.seccomp !== self.seccomp) return undefined;
  const kinship = kinshipOf({
    filters: status.seccompFilters,
    ownFilters: self.seccompFilters,
    namespaces: namespacesOf(pid, tid),
    ownNamespaces: namespacesOf(Deno.pid, undefined),
    commonAncestors: commonAncestors(pid).map(filtersOf),
    isSameMachine: readable(() => readWordBytes(pid, tid ?? pid)) === 8,
  });
  return kinship === undefined ? undefined : { kinship, rehearsal: rehearse() };
}

function namespacesOf(pid: number, tid: number | undefined): string[] | undefined {
  const folder = `${procFolder(pid, tid)}/ns`;
  const links = ["mnt", "pid", "user"].map((name) =>
    readable(() => Deno.readLinkSync(`${folder}/${name}`))
  );
  const known = links.filter((link) => link !== undefined);
  return known.length === links.length ? known : undefined;
}

function commonAncestors(pid: number): number[] {
  const own = new Set(lineOf(Deno.pid));
  return lineOf(pid).filter((ancestor) => own.has(ancestor));
}

/** A process and its ancestors, as far as they can be seen. */
function lineOf(pid: number): number[] {
  const line: number[] = [];
  for (let one = pid; one > 0 && !line.includes(one); one = readStat(one)?.ppid ?? 0) {
    line.push(one);
  }
  return line;
}

function filtersOf(pid: number): number | undefined {
  return readable(() => readStatus(pid))?.seccompFilters;
}
