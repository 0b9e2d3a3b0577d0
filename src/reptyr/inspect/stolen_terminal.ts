/** Which terminal `reptyr -T PID` is to take, and what proves that a master is its master. Pure. */
import { firstOf, RefusedError, SyscallError } from "../../errors.ts";
import { decodeDevice, ptsIndex, terminalName } from "../../proc/device.ts";
import { explainAttachFailure } from "../../tracee/attach_failure.ts";
import type { DeviceFile } from "../../tty/master.ts";
import { oldTerminal } from "./old_terminal.ts";
import { named, onNoTerminal, type TargetFacts } from "./refusals.ts";

/** A terminal, by what its master can be asked for. At least one of `session` and `file` is there. */
export interface WantedTerminal {
  /** N of `/dev/pts/N`. Every instance of devpts counts from 0, so this alone proves nothing. */
  readonly index: number;
  /** The session whose controlling terminal it is. */
  readonly session: number | undefined;
  /** Its device file, as a descriptor of the target shows it. */
  readonly file: DeviceFile | undefined;
}

/** What a master says of its slave. */
export interface MasterFacts {
  readonly session: number | undefined;
  readonly file: DeviceFile | undefined;
}

/**
 * The terminal that the target is on: its controlling one, else that of its descriptors. Throws RefusedError when
 * there is none, or none that has a master.
 */
export function wantedTerminal(target: TargetFacts): WantedTerminal {
  const { stat, fds } = target;
  const old = fds === undefined ? undefined : oldTerminal(stat.ttyNr, fds);
  if (stat.ttyNr !== 0) {
    const device = stat.ttyNr >>> 0;
    const index = ptsIndex(decodeDevice(device));
    if (index === undefined) throw notPty(target, device);
    const session = stat.session > 0 ? stat.session : undefined;
    const file = old !== undefined && old.identity.rdev >>> 0 === device ? old.identity : undefined;
    if (session === undefined && file === undefined) throw explainAttachFailure(target);
    return { index, session, file };
  }
  if (fds === undefined) throw explainAttachFailure(target);
  if (old === undefined) throw onNoTerminal(target);
  if (!old.identity.live) {
    throw new RefusedError(`${subject(target)}: it has hung up, and nothing is left to take`, [
      moveInstead(target),
    ]);
  }
  const index = ptsIndex(decodeDevice(old.identity.rdev));
  if (index === undefined) throw notPty(target, old.identity.rdev);
  return { index, session: undefined, file: old.identity };
}

/**
 * Whether the master is that of the terminal. A terminal is the controlling one of one session at most, and a session
 * has one; else the device file has to be the same, devpts instance and all.
 */
export function isMasterOf(master: MasterFacts, wanted: WantedTerminal): boolean {
  if (wanted.session !== undefined) return master.session === wanted.session;
  return sameFile(master.file, wanted.file);
}

/** Whether both are known and the same. */
export function sameFile(a: DeviceFile | undefined, b: DeviceFile | undefined): boolean {
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino &&
    a.rdev === b.rdev;
}

/** How every refusal to take a terminal begins. */
export function subject(target: { readonly pid: number; readonly command: string }): string {
  return `Cannot take the terminal of process ${named(target)}`;
}

/** A system call that failed where none should, in words for the user; any other error as it is. */
export function stealFailure(error: unknown, target: TargetFacts): unknown {
  const first = firstOf(error);
  if (!(first instanceof SyscallError)) return first;
  return new RefusedError(`${subject(target)}: ${first.message}`, [
    first === error
      ? "All is as it was before"
      : "Not all could be put back: see whether the program that shows the terminal still works",
  ], { cause: first });
}

function notPty(target: TargetFacts, device: number): RefusedError {
  return new RefusedError(
    `${subject(target)}: it is ${
      terminalName(decodeDevice(device))
    }, which is no pseudoterminal: no program stands behind it that it could be taken from`,
    [moveInstead(target)],
  );
}

function moveInstead({ pid }: TargetFacts): string {
  return `To move the process with its job instead, run: reptyr ${pid}`;
}
