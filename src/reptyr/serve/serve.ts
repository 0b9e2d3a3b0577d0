/** The time after the move: the terminal is served until the job has ended, or we must. */
import { SIGCONT, SIGHUP, SIGWINCH } from "../../ffi/constants.ts";
import { describeErrno, ERRNO } from "../../ffi/errno.ts";
import { StopTimeoutError } from "../../errors.ts";
import { verbose, writeStderr } from "../../log.ts";
import { encodeDevice, ptsDevice } from "../../proc/device.ts";
import { isEndingProcess, readStat } from "../../proc/stat.ts";
import { releasePendingDetach } from "../../tracee/release.ts";
import type { Pty } from "../../tty/pty.ts";
import { foregroundGroup } from "../../tty/foreground.ts";
import { type KeySource, pump } from "../../tty/pump.ts";
import type { SignalInbox } from "../../tty/signal_inbox.ts";
import type { RawMode } from "../../tty/raw_mode.ts";
import { TextInput } from "../../tty/text_input.ts";
import type { UserTerminal } from "../../tty/user_terminal.ts";
import type { WindowSize } from "../../tty/window_size.ts";
import { exitStatus } from "../../proc/exit_status.ts";
import {
  signalRelayed,
  signalRelayedAncestors,
  signalRelayedOthers,
  watchRelayed,
} from "./signal_relay.ts";
import { JobControl } from "./job_control.ts";
import { readRecords, recordFor } from "../record/known_records.ts";
import { LatePrompt } from "./late_prompt.ts";
import { DroppedOutput, lostOutput } from "./lost_output.ts";
import { changeSize } from "../frontend/redraw.ts";
import { TtyForeground } from "../frontend/tty_foreground.ts";
import type { ScreenKeeper } from "../frontend/screen_keeper.ts";
import type { SighupShield } from "../move/session/sighup_shield.ts";
import type { ProcessIdentity } from "../../proc/process_identity.ts";
import type { Attachment, Audience } from "../move/attachment.ts";
import { ENDING_SIGNALS } from "../frontend/own_signals.ts";

export interface Service {
  readonly target: {
    readonly pid: number;
    /** From before the move: pidfd_open(2). */
    readonly pidfd: number;
    /** Of /proc/PID/stat: the number alone may be another process' one day. */
    readonly startTime: bigint;
  };
  readonly attachment: Attachment;
  readonly pty: Pty;
  readonly terminal: UserTerminal;
  readonly rawMode: RawMode;
  readonly signals: SignalInbox;
  readonly screen: ScreenKeeper;
  /** --hangup: output that cannot be written ends the job, too. */
  readonly hangup: boolean;
  /** The size of the user's terminal at any time. */
  readonly size: () => WindowSize;
  /** Make the job paint its screen again, at the size that the terminal has now. */
  readonly repaint: () => void;
}

/** Serve until the end; the exit status for ours. */
export async function serve(service: Service): Promise<number> {
  const { target, attachment, pty, terminal, signals } = service;
  const { shields, publish } = attachment;
  const { screen, size } = service;
  using cleanup = new DisposableStack();
  let status = 0;
  const helperFds = watchRelayed(attachment.relayed, cleanup);
  let living = 1 + helperFds.length;
  const notify = () => signalRelayed(attachment, SIGWINCH);
  const turn = cleanup.use(new TtyForeground({ ...service, wake: () => signals.wake() }));
  const source = typedBy(service, cleanup);
  const keySource = new JobControl({ source, pty, terminal, turn, job: attachment });
  if (attachment.left !== undefined) cleanup.use(new LatePrompt(attachment.left, attachment.gate));
  const dropped = new DroppedOutput((line) => writeStderr(`reptyr: ${line}`));
  const isKept = !terminal.screenHasReader && !service.hangup;
  const end = await pump({
    terminal,
    onShown: screen.watch,
    onUnwritable: (errno, count) => {
      if (isKept) dropped.drop(errno, count);
      return isKept;
    },
    master: pty.master,
    signals,
    endingSignals: [...ENDING_SIGNALS.keys()],
    keySource,
    turn,
    onResize: () => changeSize({ pty, notify }, size()),
    onAbandoned: () => staysOn(service),
    isOver: () => living === 0,
    watches: [
      {
        fd: target.pidfd,
        onReadable: () => {
          living--;
          releasePendingDetach();
          status = exitStatus(target.pid, target.pidfd, target.startTime);
        },
      },
      ...helperFds.map((fd) => ({ fd, onReadable: () => living-- })),
      ...shields.map((shield) => ({
        fd: shield.shellPidfd,
        onReadable: () => liftShield(shield, publish),
      })),
    ],
  });
  screen.reset();
  dropped.end();
  switch (end.reason) {
    case "over":
      return status;
    case "pty abandoned":
      leave(service);
      return 0;
    case "screen gone":
      return loseOutput(service);
    case "terminal gone":
      hangUp(service);
      return ENDING_SIGNALS.get("SIGHUP")!;
    case "signal":
      hangUp(service);
      service.rawMode[Symbol.dispose]();
      writeStderr(
        `reptyr: ended by ${end.signal}: process ${target.pid} is told that its terminal hangs up`,
      );
      return ENDING_SIGNALS.get(end.signal)!;
  }
}

/** Where what is typed comes from: the keyboard, or a text. */
function typedBy({ terminal, pty, signals }: Service, cleanup: DisposableStack): KeySource {
  const { keyboardIsTerminal, readFrom } = terminal;
  if (keyboardIsTerminal) {
    return { listening: true, hasHeld: false, read: readFrom, beforeWait: () => {} };
  }
  const onError = (errno: number) => {
    // Open for writing only: nohup(1) gives its command such an input, to say that there is none.
    if (errno === ERRNO.EBADF) return;
    const { reason, code } = describeErrno(errno);
    writeStderr(`reptyr: cannot read standard input, as if it ended here: ${reason} (${code})`);
  };
  return cleanup.use(new TextInput({ pty, readFrom, wake: () => signals.wake(), onError }));
}

/** Nobody reads standard output any more, or it takes nothing: the target's terminal goes away. */
function loseOutput(service: Service): number {
  const { target, terminal, rawMode } = service;
  const { status, message } = terminal.screenIsTerminal
    ? { status: ENDING_SIGNALS.get("SIGHUP")!, message: undefined }
    : lostOutput(terminal.screenErrno);
  hangUp(service);
  rawMode[Symbol.dispose]();
  if (message !== undefined) {
    writeStderr(`reptyr: ${message}: process ${target.pid} is told that its terminal hangs up`);
  }
  return status;
}

/**
 * Nobody has the slave open. A program may close its terminal and open it again by name: as long as it is the
 * target's controlling terminal, a slave is held for it. Not so when another reptyr has moved the target on; for a
 * target that has stayed in its session that one's record tells.
 */
function staysOn({ target, attachment: { keepsSession }, pty }: Service): boolean {
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
 * helpers we pass on what the foreground gets on any terminal. Where the kernel tells nobody, as of a target that has
 * stayed in its session (zombies.ts), the end of file would come first.
 */
export function hangUp(
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
function leave({ target, attachment, rawMode, pty }: Service): void {
  rawMode[Symbol.dispose]();
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
  releasePendingDetach();
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
