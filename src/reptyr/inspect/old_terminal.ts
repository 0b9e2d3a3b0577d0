/**
 * Which terminal the target is on, and which of its descriptors are open on it. Pure.
 *
 * A device number does not name a terminal: pts numbers are used again, so a dead `/dev/pts/3 (deleted)`
 * and a new /dev/pts/3 have the same one, and every container has its own /dev/pts/3. Files, sockets and
 * pipes all have device number 0; so has a process without a terminal. Nothing is ever compared with 0.
 */

import { O_PATH } from "../../ffi/constants.ts";
import {
  decodeDevice,
  encodeDevice,
  isDevTty,
  isPtmx,
  isTerminal,
  ptsDevice,
} from "../../proc/device.ts";
import type { Descriptor } from "../../proc/fds.ts";

/** What tells one terminal from all others, as far as stat(2) of an open descriptor can. */
export interface TerminalIdentity {
  /** File system and inode of the device file, in the encoding of stat(2). */
  readonly dev: number;
  readonly ino: number;
  readonly rdev: number;
  /** Whether the device file still has a name. devpts removes it when the pty master is closed. */
  readonly live: boolean;
}

export interface OldTerminal {
  readonly identity: TerminalIdentity;
  /** Every descriptor open on it, ascending; the ones opened as /dev/tty are among them. */
  readonly fds: readonly number[];
}

/**
 * Whether the descriptor is open on a terminal. Pty masters are not: they are the other end. Nor is one that only stands
 * for a place among files: O_PATH in open(2). `ttyNr`, when not 0, is a terminal's number by definition, also where
 * `isTerminal()` does not know its driver.
 */
export function isOnTerminal(descriptor: Descriptor, ttyNr = 0): boolean {
  const { isCharDevice, fdinfo } = descriptor;
  if (!isCharDevice || fdinfo.ttyIndex !== undefined || (fdinfo.flags & O_PATH) !== 0) return false;
  const device = decodeDevice(descriptor.rdev);
  return !isPtmx(device) && (isTerminal(device) || isOf(descriptor, ttyNr));
}

/** The terminal a descriptor is open on. For one opened as /dev/tty this is the name, not the terminal. */
export function terminalIdentity({ dev, ino, rdev, nlink }: Descriptor): TerminalIdentity {
  return { dev, ino, rdev, live: nlink > 0 };
}

/** Whether two identities are those of the same terminal. */
export function sameTerminal(a: TerminalIdentity, b: TerminalIdentity): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.rdev === b.rdev && a.live === b.live;
}

/**
 * The terminal to move the target away from. `ttyNr` is field 7 of /proc/PID/stat, `fds` all descriptors in
 * ascending order. Undefined when no descriptor is on a terminal that can be told to be the target's.
 *
 * - With a controlling terminal: the one with that number. Where several have it, a live one, because a
 *   terminal that hangs up stops being anyone's controlling terminal; then that of the lowest descriptor.
 * - Without one (it hung up, or the target called setsid()), and when no descriptor has that number: that
 *   of the lowest of descriptors 0, 1 and 2 that is on a terminal.
 * - Without one, and none of 0, 1 and 2 on a terminal: none. Daemons have terminals open for others: systemd-logind
 *   has /dev/tty6, and a supervisor that of its child.
 *
 * Descriptors opened as /dev/tty were on the controlling terminal then, and go with whichever is chosen.
 */
export function oldTerminal(ttyNr: number, fds: readonly Descriptor[]): OldTerminal | undefined {
  const isOnAny = ttyNr !== 0 ||
    fds.some((descriptor) => descriptor.fd <= 2 && isOnTerminal(descriptor));
  return isOnAny ? anyTerminal(ttyNr, fds) : undefined;
}

/**
 * As {@linkcode oldTerminal}, and else that of the lowest descriptor on any: for a process that is known to belong to the
 * job. A terminal that it makes for others, by holding its master, does not count: `script` has the slave open too.
 */
function anyTerminal(ttyNr: number, fds: readonly Descriptor[]): OldTerminal | undefined {
  const terminals = fds.filter((descriptor) => isOnTerminal(descriptor, ttyNr));
  const isByDevTty = ({ rdev }: Descriptor) => isDevTty(decodeDevice(rdev));
  const byDevTty = terminals.filter(isByDevTty);
  const named = terminals.filter((descriptor) => !isByDevTty(descriptor));
  const standard = named.filter(({ fd }) => fd <= 2);
  const served = servedBy(fds);
  const others = named.filter(({ rdev }) => !served.has(rdev >>> 0));
  const controlling = named.filter((descriptor) => isOf(descriptor, ttyNr));

  const chosen = ttyNr === 0
    ? standard[0] ?? others[0] ?? byDevTty[0]
    : controlling.find(({ nlink }) => nlink > 0) ?? controlling[0] ?? byDevTty[0] ?? standard[0];
  if (chosen === undefined) return undefined;

  const identity = terminalIdentity(chosen);
  const isOnIt = (descriptor: Descriptor) =>
    isByDevTty(descriptor) || sameTerminal(terminalIdentity(descriptor), identity);
  return { identity, fds: terminals.filter(isOnIt).map(({ fd }) => fd) };
}

/**
 * Descriptors open on terminal `identity`, ascending. One opened as /dev/tty is where the process, whose controlling
 * terminal is `ttyNr`, has that as its own, as {@linkcode anyTerminal} says.
 */
export function fdsOn(
  identity: TerminalIdentity,
  ttyNr: number,
  fds: readonly Descriptor[],
): readonly number[] {
  const own = anyTerminal(ttyNr, fds);
  if (own !== undefined && sameTerminal(own.identity, identity)) return own.fds;
  return fds.filter((descriptor) =>
    isOnTerminal(descriptor) && sameTerminal(terminalIdentity(descriptor), identity)
  ).map(({ fd }) => fd);
}

/** Whether a process with these descriptors uses terminal `identity`, rather than serve it as its emulator does. */
export function usesTerminal(identity: TerminalIdentity, fds: readonly Descriptor[]): boolean {
  return fdsOn(identity, 0, fds).length > 0 && !servedBy(fds).has(identity.rdev >>> 0);
}

/** Descriptors on terminals that are not those of which the process has the masters. */
export function openForOthers(fds: readonly Descriptor[]): Descriptor[] {
  const served = servedBy(fds);
  return fds.filter((descriptor) => isOnTerminal(descriptor) && !served.has(descriptor.rdev >>> 0));
}

/** Device numbers of the terminals whose masters are open: `/dev/pts/N` for `tty-index: N`, proc_pid_fdinfo(5). */
function servedBy(fds: readonly Descriptor[]): ReadonlySet<number> {
  return new Set(
    fds.flatMap(({ fdinfo: { ttyIndex } }) =>
      ttyIndex === undefined ? [] : [encodeDevice(ptsDevice(ttyIndex))]
    ),
  );
}

/** Whether the descriptor has the device number of the controlling terminal, never when there is none. */
function isOf(descriptor: Descriptor, ttyNr: number): boolean {
  return ttyNr !== 0 && descriptor.rdev >>> 0 === ttyNr >>> 0;
}
