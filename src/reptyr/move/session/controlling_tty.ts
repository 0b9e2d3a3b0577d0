/** The terminal that controls a member, which it needs a descriptor of to give it up, or to say who is in its foreground. */
import { type OurFd, ourFd, type RemoteFd, remoteFd } from "../../../brands.ts";
import { RefusedError, SyscallError } from "../../../errors.ts";
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR, TIOCGPGRP } from "../../../ffi/constants.ts";
import { close, open } from "../../../ffi/descriptor.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import { decodeDevice, isDevTty, ptsIndex, terminalName } from "../../../proc/device.ts";
import { readStat } from "../../../proc/stat.ts";
import type { RemoteSyscalls } from "../../../tracee/remote_syscalls.ts";
import type { Steps } from "../../../tracee/steps.ts";
import { deviceFile, openSlaveOf } from "../../../tty/master.ts";
import { findMaster } from "../../inspect/find_master.ts";
import type { OldTerminal } from "../../inspect/old_terminal.ts";
import type { Member } from "../job/member.ts";

/** A descriptor of the member on its controlling terminal; `terminal` is the one that it leaves. */
export function descriptorOnControlling(
  { stat, fds }: Member,
  terminal: OldTerminal | undefined,
): RemoteFd | undefined {
  if (stat.ttyNr === 0) return undefined;
  const device = stat.ttyNr >>> 0;
  const found = fds.find(({ fd, rdev }) =>
    rdev >>> 0 === device || terminal?.fds.includes(fd) && isDevTty(decodeDevice(rdev))
  );
  return found && remoteFd(found.fd);
}

/**
 * A descriptor of our own for it, close-on-exec: to be handed to a member that has none, which is to be asked by
 * {@linkcode isControlling} then. By its master, or by the name that it has in our own /dev: in the mount namespace of
 * a program, or under its root, anything may have that name. `undefined` for one that has hung up since the member was
 * stopped. Throws RefusedError when it cannot be opened.
 */
export function openControlling(member: Member): OurFd | undefined {
  const opened = openByMaster(member) ?? openByName(member);
  if (opened === undefined && hasTerminal(member)) throw unavailable(member);
  return opened === undefined ? undefined : ourFd(opened);
}

/** A hang-up takes a terminal from the whole session: __tty_hangup() in drivers/tty/tty_io.c. */
function hasTerminal({ pid }: Member): boolean {
  return readStat(pid)?.ttyNr !== 0;
}

function openByMaster({ stat }: Member): number | undefined {
  const index = ptsIndex(decodeDevice(stat.ttyNr >>> 0));
  if (index === undefined || stat.session <= 0) return undefined;
  const { copy } = findMaster({ index, session: stat.session, file: undefined });
  if (copy === undefined) return undefined;
  const slave = openSlaveOf(copy);
  close(copy);
  return slave;
}

function openByName({ stat }: Member): number | undefined {
  const device = stat.ttyNr >>> 0;
  let fd: number;
  try {
    const flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
    fd = open(`/dev/${terminalName(decodeDevice(device))}`, flags);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
  if (deviceFile(fd).rdev >>> 0 === device) return fd;
  close(fd);
  return undefined;
}

/**
 * Whether the terminal of `fd`, a descriptor of the member, controls it. Of two terminals with one number
 * only it knows: the kernel answers ENOTTY for any but its own, and finds fault with the missing address after that.
 * False where no terminal controls it any more. Throws RefusedError when another one does.
 */
export function* isControlling(
  remote: RemoteSyscalls,
  member: Member,
  fd: RemoteFd,
): Steps<boolean> {
  const answer = yield* remote.call("ioctl", fd, TIOCGPGRP, 0);
  if (answer === BigInt(-ERRNO.EFAULT)) return true;
  if (hasTerminal(member)) throw unavailable(member);
  return false;
}

function unavailable({ pid, stat }: Member): RefusedError {
  const name = terminalName(decodeDevice(stat.ttyNr >>> 0));
  return new RefusedError(
    `Cannot move process ${pid}: its controlling terminal is ${name}, ` +
      "which it could not give up, for none of its descriptors is open on that",
    [`Take that whole terminal: reptyr -T ${pid}`],
  );
}
