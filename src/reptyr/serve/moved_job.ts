/** A job that has been moved, for as long as its terminal is served: when that hangs up, and when it has gone elsewhere. */
import { StopTimeoutError } from "../../errors.ts";
import { SIGCONT, SIGHUP } from "../../ffi/constants.ts";
import { verbose, writeStderr } from "../../log.ts";
import { encodeDevice, ptsDevice } from "../../proc/device.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import { isEndingProcess, readStat } from "../../proc/stat.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import { foregroundGroup } from "../../tty/foreground.ts";
import type { Pty } from "../../tty/pty.ts";
import type { Attachment, Audience } from "../move/attachment.ts";
import type { SighupShield } from "../move/session/sighup_shield.ts";
import { readRecords, recordFor } from "../record/known_records.ts";
import { signalRelayed, signalRelayedAncestors, signalRelayedOthers } from "./signal_relay.ts";

export interface MovedJob {
  /** The process that was asked for, with a pidfd_open(2) of it from before the move. */
  readonly target: ProcessIdentity & { readonly pidfd: number };
  readonly attachment: Attachment;
  /** The terminal that it was moved to. */
  readonly pty: Pty;
}

/**
 * Nobody has the slave open. A program may close its terminal and open it again by name: as long as it is the
 * target's controlling terminal, a slave is held for it. Not so when another reptyr has moved the target on; for a
 * target that has stayed in its session that one's record tells.
 */
export function staysOn({ target, attachment: { keepsSession }, pty }: MovedJob): boolean {
  if (pty.isTaken) return false;
  const { pid } = target;
  const stat = readStat(pid);
  const isOnIt = keepsSession
    ? !isMovedOn(target)
    : stat?.ttyNr === encodeDevice(ptsDevice(pty.index));
  if (!isOnIt && !isEndingProcess(pid)) return false;
  pty.holdSlave();
  return true;
}

function isMovedOn(target: ProcessIdentity): boolean {
  return recordFor(target, readRecords()) !== undefined;
}

/**
 * The new terminal goes away, and everyone on it is told so, parents before their children: a script is not to see its
 * child end, and go on with its next line. The kernel tells the session's leader and the foreground group; to the
 * relayed processes we pass on what the foreground gets on any terminal. Where the kernel tells nobody, as of a target that has
 * stayed in its session (zombies.ts), the end of file would come first.
 */
export function endService(
  { attachment, pty }: {
    readonly attachment: Audience & Pick<Attachment, "shields" | "publish">;
    readonly pty: Pty;
  },
): void {
  for (const shield of attachment.shields) liftShield(shield, attachment.publish);
  const hasForeground = foregroundGroup(pty.master) !== undefined;
  const told = [SIGHUP, SIGCONT].map((signal) => ({
    signal,
    told: hasForeground
      ? signalRelayedAncestors(attachment, pty.master, signal)
      : signalRelayed(attachment, signal),
  }));
  pty[Symbol.dispose]();
  for (const { signal, told: already } of told) signalRelayedOthers(attachment, signal, already);
}

/** Another reptyr has moved the target on, or has taken its whole terminal. */
export function tellLeft({ target, attachment, pty }: MovedJob): void {
  writeStderr(
    pty.isTaken
      ? `reptyr: another reptyr has taken ${pty.name} away from here`
      : `reptyr: process ${target.pid} has left this terminal`,
  );
  // What it did before is still to be put back when its first shell has ended: the other reptyr does that, when it
  // could read our record.
  const raised = attachment.shields.filter(({ raised }) => raised);
  const isUntold = raised.some(({ record }) => record === undefined);
  if (isUntold || raised.length > 0 && !isMovedOn(target)) {
    writeStderr("  It goes on ignoring SIGHUP: the shell it was started from lives");
  }
}

/** How long the job may be kept waiting, and how long we wait to try again. */
const LIFT_SECONDS = 0.2;
const RETRY_MS = 1000;

/**
 * Lift a shield, now or as soon as the target can be stopped: a thread in uninterruptible sleep cannot. Other errors
 * leave the target with what it has; they must not end the pump.
 */
export function liftShield(shield: SighupShield, onLifted: () => void): void {
  TRACE_SESSION.pendingDetach.release();
  try {
    shield.lift(LIFT_SECONDS);
    onLifted();
    verbose("The target does again what it did about SIGHUP");
  } catch (error) {
    verbose(`SIGHUP stays ignored: ${error instanceof Error ? error.message : error}`);
    if (error instanceof StopTimeoutError) {
      Deno.unrefTimer(setTimeout(() => liftShield(shield, onLifted), RETRY_MS));
    }
  }
}
