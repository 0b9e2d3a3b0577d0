/** The terminal that controls a member, which it needs a descriptor of to give it up, or to say who is in its foreground. */
import { RefusedError, SyscallError } from "../errors.ts";
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR } from "../ffi/constants.ts";
import { open } from "../ffi/descriptor.ts";
import { decodeDevice, isDevTty, terminalName } from "../proc/device.ts";
import { procFolder } from "../proc/gone.ts";
import type { Member } from "./member.ts";
import type { OldTerminal } from "./old_terminal.ts";

/** A descriptor of the member on its controlling terminal; `terminal` is the one that it leaves. */
export function descriptorOnControlling(
  { stat, fds }: Member,
  terminal: OldTerminal | undefined,
): number | undefined {
  if (stat.ttyNr === 0) return undefined;
  const device = stat.ttyNr >>> 0;
  return fds.find(({ fd, rdev }) =>
    rdev >>> 0 === device || terminal?.fds.includes(fd) && isDevTty(decodeDevice(rdev))
  )?.fd;
}

/**
 * A descriptor of our own for it, close-on-exec: to be handed to a member that has none. By the name that it has where
 * the member sees it. Throws RefusedError when that is not the terminal, or cannot be opened.
 */
export function openControlling({ pid, stat, tracee }: Member): number {
  const device = decodeDevice(stat.ttyNr >>> 0);
  const name = terminalName(device);
  const path = `${procFolder(pid, tracee.mainTid)}/root/dev/${name}`;
  try {
    const { rdev } = Deno.statSync(path);
    const found = decodeDevice(rdev ?? 0);
    if (found.major === device.major && found.minor === device.minor) {
      return open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    }
  } catch (error) {
    const expected = error instanceof SyscallError || error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied;
    if (!expected) throw error;
  }
  throw new RefusedError(
    `Cannot move process ${pid}: its controlling terminal is ${name}, ` +
      "which it could not give up, for none of its descriptors is open on that",
    [`Take that whole terminal: reptyr -T ${pid}`],
  );
}
