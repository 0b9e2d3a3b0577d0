/** `reptyr PID`: move one process to this terminal, and serve it there until it ends. */
import { SyscallError } from "../errors.ts";
import { close } from "../ffi/descriptor.ts";
import { pidfdOpen } from "../ffi/process.ts";
import { orThrow } from "../ffi/raw.ts";
import { verbose, writeStderr } from "../log.ts";
import { encodeDevice, ptsDevice } from "../proc/device.ts";
import { isLive, PF_EXITING, readStat } from "../proc/stat.ts";
import { Pty } from "../tty/pty.ts";
import { pump } from "../tty/pump.ts";
import { SignalInbox } from "../tty/signal_inbox.ts";
import { RawMode } from "../tty/termios.ts";
import { UserTerminal } from "../tty/user_terminal.ts";
import { getWindowSize, setWindowSize, type WindowSize } from "../tty/window_size.ts";
import { attach } from "./attach.ts";
import { exitStatus } from "./exit_status.ts";
import { preflight, type PreflightFacts } from "./preflight.ts";
import { type Redraw, requestRedraw } from "./redraw.ts";
import type { SighupShield } from "./sighup_shield.ts";
import { readWarningFacts } from "./warning_facts.ts";
import { warnings } from "./warnings.ts";

export interface MoveOptions {
  readonly pid: number;
  /** How long the target may take to stop. */
  readonly timeoutSeconds: number;
  readonly redraw: Redraw;
}

/** Signals that end this program, with what a shell reports then. */
const ENDING_SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;

/**
 * Move process `pid` to the terminal that standard input and output are on. Resolves to the exit status
 * for ours: that of the process, or 128 + N when signal N ended us. Throws when it cannot be moved.
 */
export async function move({ pid, timeoutSeconds, redraw }: MoveOptions): Promise<number> {
  const facts = preflight(pid);
  warnAbout(facts);
  using cleanup = new DisposableStack();
  const pidfd = orThrow(pidfdOpen(pid), `pidfd_open(${pid})`);
  cleanup.defer(() => close(pidfd));
  const terminal = cleanup.use(new UserTerminal());
  const pty = cleanup.use(Pty.open());
  verbose(`Opened a new pty: ${pty.name}`);
  const size = sizeOf(terminal);
  setWindowSize(pty.slave, size());

  // Before the first stop: from here on a signal waits until the target is whole, and ^C is a key.
  const endingSignals = Object.keys(ENDING_SIGNALS) as (keyof typeof ENDING_SIGNALS)[];
  const signals = cleanup.use(new SignalInbox([...endingSignals, "SIGWINCH"]));
  const rawMode = cleanup.use(RawMode.enter(terminal.keyboard));
  restoreAtExit(rawMode, cleanup);

  const { shield, oldSize } = attach(facts, pty, timeoutSeconds);
  pty.releaseSlave();
  cleanup.defer(requestRedraw(redraw, pty, pidfd, oldSize, size));
  const end = await pump({
    terminal,
    master: pty.master,
    process: pidfd,
    signals,
    endingSignals,
    onResize: () => setWindowSize(pty.master, size()),
    onAbandoned: () => staysOn(pid, pty),
    watches: shield === undefined
      ? []
      : [{ fd: shield.shellPidfd, onReadable: () => liftShield(shield) }],
  });
  switch (end.reason) {
    case "process ended":
      return exitStatus(pid, pidfd, facts.stat.startTime);
    case "pty abandoned":
      rawMode[Symbol.dispose]();
      writeStderr(`reptyr: process ${pid} has left this terminal`);
      // Only we know what it did before, but its first shell may still send it a SIGHUP that would end it.
      if (shield?.raised) {
        writeStderr("  It goes on ignoring SIGHUP: the shell it was started from lives");
      }
      return 0;
    case "terminal gone":
      tellHangup(shield);
      return ENDING_SIGNALS.SIGHUP;
    case "signal":
      tellHangup(shield);
      rawMode[Symbol.dispose]();
      writeStderr(
        `reptyr: ended by ${end.signal}: process ${pid} is told that its terminal hangs up`,
      );
      return ENDING_SIGNALS[end.signal];
  }
}

/** What the user should know before anything is done. */
function warnAbout({ pid, status, targetSeccomp }: PreflightFacts): void {
  const known = { pid, uid: status.uids[0], job: [pid], seccomp: targetSeccomp };
  for (const line of warnings(readWarningFacts(known))) writeStderr(`reptyr: warning: ${line}`);
}

/**
 * Nobody has the slave open. A program may close its terminal and open it again by name: as long as it is the
 * target's controlling terminal, a slave is held for it. Not so when another reptyr has moved the target on.
 */
function staysOn(pid: number, pty: Pty): boolean {
  const stat = readStat(pid);
  const alive = stat !== undefined && isLive(stat) && (stat.flags & PF_EXITING) === 0;
  if (alive && stat.ttyNr !== encodeDevice(ptsDevice(pty.index))) return false;
  pty.holdSlave();
  return true;
}

/** Closing the master sends SIGHUP to the target, and it is to see that. */
function tellHangup(shield: SighupShield | undefined): void {
  if (shield !== undefined) liftShield(shield);
}

/** The terminal's size at any time; the last one known once it is hung up. Throws when it never had one. */
function sizeOf({ screen }: UserTerminal): () => WindowSize {
  let known = getWindowSize(screen);
  return () => {
    try {
      known = getWindowSize(screen);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
    return known;
  };
}

/** Deno.exit() runs no disposers, but dispatches `unload`: an error in a callback ends there. */
function restoreAtExit(rawMode: RawMode, cleanup: DisposableStack): void {
  const restore = () => rawMode[Symbol.dispose]();
  globalThis.addEventListener("unload", restore);
  cleanup.defer(() => globalThis.removeEventListener("unload", restore));
}

/** A target that ended, or cannot be stopped just now, keeps what it has: that must not end the pump. */
function liftShield(shield: SighupShield): void {
  try {
    shield.lift();
    verbose("The target does again what it did about SIGHUP");
  } catch (error) {
    verbose(`SIGHUP stays ignored: ${error instanceof Error ? error.message : error}`);
  }
}
