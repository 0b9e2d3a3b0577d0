/** Programs that serve file systems to others: fuse(4). */
import { procFolder, readable } from "../proc/gone.ts";
import { livingThread } from "../proc/stat.ts";

const DEVICE = "/dev/fuse";

/** Whether process `pid` may be one, as the links of its descriptors say. One that says so falsely is stopped later. */
export function servesFiles(pid: number): boolean {
  return readable(() => {
    const folder = `${procFolder(pid, livingThread(pid))}/fd`;
    return Array.from(Deno.readDirSync(folder)).some(({ name }) =>
      readable(() => Deno.readLinkSync(`${folder}/${name}`)) === DEVICE
    );
  }) ?? false;
}
