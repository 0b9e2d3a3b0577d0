/** Whether a file that a process has open is on a file system that no program or other machine serves. */
import { parseFdinfo } from "./fdinfo.ts";
import { readable, readProcText } from "./gone.ts";
import { isOfMemory } from "./memfd.ts";
import { parseMounts } from "./mounts.ts";

/**
 * Whether descriptor `fd` of process `pid` can be fetched, read and closed without waiting for a file server: close(2) of a
 * served file asks its server, too. False for pipes, sockets and unmounted files, which are on no mount that /proc shows.
 */
export function isAtHand(pid: number, tid: number, fd: number): boolean {
  const path = `/proc/${pid}/fdinfo/${fd}`;
  const mount = readable(() => parseFdinfo(Deno.readTextFileSync(path)).mntId);
  if (mount === undefined) return false;
  // As they are now: the number of a mount is used again.
  const { ids, servedIds } = parseMounts(readable(() => readProcText(pid, tid, "mountinfo")) ?? "");
  return ids.has(mount) && !servedIds.has(mount) || isOfMemory(path);
}
