/** Whether a file that a process has open is one that nobody serves. */
import { parseFdinfo } from "./fdinfo.ts";
import { readable, readProcText } from "./gone.ts";
import { isOfMemory } from "./memfd.ts";
import { parseMounts } from "./mounts.ts";

/**
 * Whether descriptor `fd` of process `pid` can be had, read and closed without waiting for anybody: close(2) of a file that
 * is served asks its server, too. Pipes and sockets are on no mount that is told, nor is what was unmounted since.
 */
export function isAtHand(pid: number, tid: number, fd: number): boolean {
  const path = `/proc/${pid}/fdinfo/${fd}`;
  const mount = readable(() => parseFdinfo(Deno.readTextFileSync(path)).mntId);
  if (mount === undefined) return false;
  // As they are now: the number of a mount is used again.
  const { ids, servedIds } = parseMounts(readable(() => readProcText(pid, tid, "mountinfo")) ?? "");
  return ids.has(mount) && !servedIds.has(mount) || isOfMemory(path);
}
