/** Programs that serve file systems to others: fuse(4). */
import { procFolder, readable } from "../../../proc/gone.ts";
import { livingThread } from "../../../proc/stat.ts";

const DEVICE = "/dev/fuse";

/** The processes `pids`, each with its index, in two turns: the servers in the second. */
export function serversLast(pids: readonly number[]): readonly [number, number][][] {
  const all = [...pids.entries()];
  const servers = new Set(pids.filter(servesFiles));
  return [false, true].map((isServer) => all.filter(([, pid]) => servers.has(pid) === isServer));
}

/** Whether process `pid` may be one, as the links of its descriptors say. One that says so falsely is stopped later. */
function servesFiles(pid: number): boolean {
  return readable(() => {
    const folder = `${procFolder(pid, livingThread(pid))}/fd`;
    return Array.from(Deno.readDirSync(folder)).some(({ name }) =>
      readable(() => Deno.readLinkSync(`${folder}/${name}`)) === DEVICE
    );
  }) ?? false;
}
