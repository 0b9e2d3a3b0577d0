/** The stat(5)s of all processes. */
import { readable } from "./gone.ts";
import { isLive, readStat, type Stat } from "./stat.ts";
import { listPids } from "./tasks.ts";

/** Every process, except those that /proc hides from us: `hidepid` in proc(5). */
export function readStats(): Stat[] {
  return listPids()
    .map((pid) => readable(() => readStat(pid)))
    .filter((stat) => stat !== undefined);
}

/** Those of them that are no zombies. */
export function readLiveStats(): Stat[] {
  return readStats().filter(isLive);
}
