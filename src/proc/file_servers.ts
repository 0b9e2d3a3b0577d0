/** Programs that serve file systems to others, fuse(4), and files that may have to be asked for at any server. */
import { isAtHand } from "./at_hand.ts";
import { procFolder, readable } from "./gone.ts";
import { readOpenFile } from "./open_file.ts";
import { livingThread } from "./stat.ts";

const DEVICE = "/dev/fuse";

/** Whether process `pid` may be such a program, as the links of its descriptors say. That is a claim. */
export function servesFiles(pid: number): boolean {
  return readable(() => {
    const folder = `${procFolder(pid, livingThread(pid))}/fd`;
    return Array.from(Deno.readDirSync(folder)).some(({ name }) => {
      const link = readable(() => Deno.readLinkSync(`${folder}/${name}`));
      // The device has another name where it was made anew, as in a container.
      return link === DEVICE || link?.endsWith("/fuse") === true && isFuse(`${folder}/${name}`);
    });
  }) ?? false;
}

/** Major 10, minor 229: Documentation/admin-guide/devices.txt. */
const FUSE_DEVICE = 0x0ae5;

function isFuse(path: string): boolean {
  const file = readOpenFile(path);
  return file?.isCharDevice === true && file.rdev === FUSE_DEVICE;
}

/**
 * Whether to write to descriptor `fd` of process `pid`, or to close it, may be to wait for a program or another machine. A
 * file on a mount that the process does not see may be anybody's.
 */
export function mayBeServed(pid: number, tid: number, fd: number): boolean {
  const path = `${procFolder(pid, tid)}/fd/${fd}`;
  const link = readable(() => Deno.readLinkSync(path));
  // The kernel's own have no path: `pipe:[4711]`, `anon_inode:[eventfd]`.
  if (link === undefined || !/^(\/|\(unreachable\))/.test(link)) return false;
  const file = readable(() => readOpenFile(path));
  if (file === undefined || file.isCharDevice || file.isFifo) return false;
  return !isAtHand(pid, tid, fd);
}
