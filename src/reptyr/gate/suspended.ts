/** Another reptyr that traces a process, but lets go of it when it is asked to. */
import { readable } from "../../proc/gone.ts";
import { readStat } from "../../proc/stat.ts";

/** Whether process `pid` is a reptyr that ^Z has stopped: what it holds it lets go when it is continued, hold.ts. */
export function isSuspendedReptyr(pid: number): boolean {
  const stat = readable(() => readStat(pid));
  return stat?.state === "T" && stat.comm === readStat(Deno.pid)?.comm;
}
