/** Which processes use a terminal, as far as we may see their descriptors. */
import { decodeDevice, isTerminal } from "../../proc/device.ts";
import { readFds } from "../../proc/fds.ts";
import { procFolder, readable } from "../../proc/gone.ts";
import { readOpenFile } from "../../proc/open_file.ts";
import { throughThread } from "../../proc/threads.ts";
import type { UsesTerminal } from "./job_members.ts";
import { sameTerminal, type TerminalIdentity, usesTerminal } from "./old_terminal.ts";

/** Asks anew each time. Without a terminal there is nobody who uses it. */
export function usersOf(terminal: TerminalIdentity | undefined): UsesTerminal {
  if (terminal === undefined) return () => false;
  return (pid) =>
    usesTerminal(terminal, readable(() => throughThread(pid, (tid) => readFds(pid, tid))) ?? []);
}

/** Device files, by the text of the link to them; of a devpts that is mounted nowhere only the number is left. */
const DEVICE_LINK = /\/dev\/|^\/\d+( \(deleted\))?$/;

/**
 * The terminals that descriptors 0, 1 and 2 are on. Of most processes nothing but the text of their links is read. `tid`
 * is a thread that lives.
 */
export function standardTerminals(pid: number, tid?: number): TerminalIdentity[] {
  return [0, 1, 2].map((fd) => `${procFolder(pid, tid)}/fd/${fd}`).flatMap((path) => {
    if (!DEVICE_LINK.test(readable(() => Deno.readLinkSync(path)) ?? "")) return [];
    const file = readOpenFile(path);
    if (file?.isCharDevice !== true || !isTerminal(decodeDevice(file.rdev))) return [];
    const { dev, ino, rdev, nlink } = file;
    return [{ dev, ino, rdev, live: nlink > 0 }];
  });
}

/** Whether one of descriptors 0, 1 and 2 is on `terminal`. */
export function isOnStandard(terminal: TerminalIdentity, pid: number): boolean {
  return standardTerminals(pid).some((one) => sameTerminal(one, terminal));
}
