/**
 * The time after `reptyr -T`: keys and output pass as they are, for job control is that of the shell on the stolen
 * terminal; until everyone has left it, or we must. A job that another reptyr had moved there is served as by serve.ts.
 */
import { POLLHUP, POLLIN, SIGWINCH } from "../../ffi/constants.ts";
import { close, PollSet } from "../../ffi/descriptor.ts";
import { pidfdOpen } from "../../ffi/process.ts";
import { writeStderr } from "../../log.ts";
import { encodeDevice, ptsDevice } from "../../proc/device.ts";
import { isEndingProcess, readStat } from "../../proc/stat.ts";
import type { Pty } from "../../tty/pty.ts";
import { type KeySource, pump } from "../../tty/pump.ts";
import type { RawMode } from "../../tty/raw_mode.ts";
import type { SignalInbox } from "../../tty/signal_inbox.ts";
import type { UserTerminal } from "../../tty/user_terminal.ts";
import type { WindowSize } from "../../tty/window_size.ts";
import { exitStatus } from "../../proc/exit_status.ts";
import { signalRelayed } from "../serve/signal_relay.ts";
import { IdleKeys } from "../frontend/idle_keys.ts";
import { JobControl } from "../serve/job_control.ts";
import { changeSize } from "../frontend/redraw.ts";
import type { ScreenKeeper } from "../frontend/screen_keeper.ts";
import { hangUp, liftShield } from "../serve/serve.ts";
import type { ServedJob } from "../serve/adopt_job.ts";
import type { SlaveGuard } from "./slave_guard.ts";
import { TtyForeground } from "../frontend/tty_foreground.ts";
import { ENDING_SIGNALS } from "../frontend/own_signals.ts";

export interface StolenService {
  readonly target: {
    readonly pid: number;
    readonly pidfd: number;
    readonly startTime: bigint;
  };
  /** Whose controlling terminal it is. */
  readonly session: number | undefined;
  readonly pty: Pty;
  readonly guard: SlaveGuard;
  /** What another reptyr served there, if one did. */
  readonly job: ServedJob | undefined;
  readonly terminal: UserTerminal;
  readonly rawMode: RawMode;
  readonly signals: SignalInbox;
  readonly screen: ScreenKeeper;
  /** The size of the user's terminal at any time. */
  readonly size: () => WindowSize;
  /** Make the programs paint their screen again, at the size that the terminal has now. */
  readonly repaint: () => void;
}

/** Serve until the end; the exit status for ours. */
export async function serveStolen(service: StolenService): Promise<number> {
  const { target, session, pty, job, terminal, rawMode, signals, screen, size } = service;
  using cleanup = new DisposableStack();
  const leader = session === undefined ? -1 : pidfdOpen(session);
  if (leader >= 0) cleanup.defer(() => close(leader));
  cleanup.defer(() => pty.releaseSlave());
  const turn = cleanup.use(new TtyForeground({ ...service, wake: () => signals.wake() }));
  let status: number | undefined;
  let leaderless = false;
  const noteEnd = () => status ??= exitStatus(target.pid, target.pidfd, target.startTime);
  const end = await pump({
    terminal,
    onShown: screen.watch,
    master: pty.master,
    signals,
    endingSignals: [...ENDING_SIGNALS.keys()],
    keySource: typedBy(service, turn, () => {
      if (leaderless) leaderless = !tellLeaderless(pty);
    }),
    turn,
    onResize: () => changeSize({ pty, notify: () => notifyRelayed(job) }, size()),
    onAbandoned: () => isStillUsed(session, pty),
    isOver: () => false,
    watches: [
      { fd: target.pidfd, onReadable: noteEnd },
      {
        fd: leader,
        onReadable: () => {
          pty.releaseSlave();
          leaderless = true;
        },
      },
      ...(job?.shields ?? []).map((shield) => ({
        fd: shield.shellPidfd,
        onReadable: () => liftShield(shield, job!.publish),
      })),
    ],
  });
  screen.reset();
  switch (end.reason) {
    case "over":
    case "pty abandoned":
      rawMode[Symbol.dispose]();
      if (pty.isTaken) writeStderr(`reptyr: another reptyr has taken ${pty.name} away from here`);
      else if (hasEnded(target)) noteEnd();
      return status ?? 0;
    case "screen gone":
    case "terminal gone":
      if (job !== undefined) hangUp({ attachment: job, pty });
      return ENDING_SIGNALS.get("SIGHUP")!;
    case "signal":
      if (job !== undefined) hangUp({ attachment: job, pty });
      rawMode[Symbol.dispose]();
      writeStderr(
        `reptyr: ended by ${end.signal}: the programs on ${pty.name} are told that it hangs up`,
      );
      return ENDING_SIGNALS.get(end.signal)!;
  }
}

/** The keyboard, without the keys that mean a signal which the kernel would keep from the job, or which nobody is for. */
function typedBy(
  { pty, guard, job, terminal }: StolenService,
  turn: TtyForeground,
  beforeWait: () => void,
): KeySource {
  const keys = new IdleKeys({ pty, terminal, turn });
  const source = {
    listening: true,
    hasHeld: false,
    read: job === undefined ? keys.read : terminal.readFrom,
    beforeWait: () => {
      guard.check();
      beforeWait();
      keys.beforeWait();
    },
  };
  return job === undefined ? source : new JobControl({ source, pty, terminal, turn, job });
}

/**
 * The session's leader has ended. A pty that others have open is not hung up then, but is in nobody's foreground any more,
 * disassociate_ctty(): so the user is told who takes the keys. False as long as something is to be shown first.
 */
function tellLeaderless(pty: Pty): boolean {
  const master = new PollSet(1);
  master.watch(0, pty.master, POLLIN);
  master.poll(0);
  const state = master.reported(0);
  if ((state & POLLIN) !== 0) return false;
  if ((state & POLLHUP) === 0) {
    writeStderr(
      `reptyr: the shell on ${pty.name} has ended; other programs still have it open, ^C leaves them`,
    );
  }
  return true;
}

/** Tell the helpers of a new window size: the kernel tells only who is in the foreground. */
export function notifyRelayed(job: ServedJob | undefined): void {
  if (job !== undefined) signalRelayed(job, SIGWINCH);
}

/**
 * Nobody has the slave open. A program may close its terminal and open it again by name: as long as it is the
 * controlling terminal of a session with a leader, a slave is held for it.
 */
function isStillUsed(session: number | undefined, pty: Pty): boolean {
  if (pty.isTaken) return false;
  const leader = session === undefined ? undefined : readStat(session);
  if (leader === undefined || isEndingProcess(leader.pid)) return false;
  if (leader.ttyNr >>> 0 !== encodeDevice(ptsDevice(pty.index))) return false;
  pty.holdSlave();
  return true;
}

/** How long a process may take from leaving its terminal, as it ends, to having ended. */
const ENDING_MS = 1000;

/** Whether the target has ended; one that is about to is waited for. */
function hasEnded({ pid, pidfd }: StolenService["target"]): boolean {
  const set = new PollSet(1);
  set.watch(0, pidfd, POLLIN);
  return set.poll(isEndingProcess(pid) ? ENDING_MS : 0) > 0;
}
