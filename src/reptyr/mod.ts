/** `reptyr PID`: move a process with its job to this terminal, and serve them there until they end. */
import { TraceeDiedError } from "../errors.ts";
import { SIGWINCH } from "../ffi/constants.ts";
import { close } from "../ffi/descriptor.ts";
import { pidfdOpen } from "../ffi/process.ts";
import { reserveThreads } from "../ffi/threads.ts";
import { orThrow } from "../ffi/raw.ts";
import { verbose, writeStderr } from "../log.ts";
import { cpuWarning, requireFilesFor } from "../proc/require_room.ts";
import { Pty } from "../tty/pty.ts";
import { plainTermios, type Termios } from "../tty/settings.ts";
import { PUMP_THREADS } from "../tty/pump.ts";
import { UserTerminal } from "../tty/user_terminal.ts";
import { setWindowSize, tryGetWindowSize } from "../tty/window_size.ts";
import { attach } from "./attach.ts";
import { signalHelpers, tellSize } from "./helpers.ts";
import { enterRawMode, plainness, restoreAtExit, sizeOf } from "./own_terminal.ts";
import { OwnSignals, Patience } from "./patience.ts";
import { preflight, type PreflightFacts } from "./preflight.ts";
import { readRecords } from "./known_records.ts";
import { type Redraw, Redrawer } from "./redraw.ts";
import { ScreenKeeper } from "./screen_keeper.ts";
import { serve } from "./serve.ts";
import { requireAnswers } from "./served_stdio.ts";
import { readWarningFacts } from "./warning_facts.ts";
import { warnings } from "./warnings.ts";

export interface MoveOptions {
  readonly pid: number;
  /** How long the target may take to stop. */
  readonly timeoutSeconds: number;
  readonly redraw: Redraw;
  /** Descriptors 0 to 2 are replaced whatever they are, also where there is no terminal to leave. */
  readonly forceStdio: boolean;
  /** Leave the rest of the job where it is. */
  readonly alone: boolean;
  /** Output that cannot be written ends the job, as the loss of its terminal does. */
  readonly hangup: boolean;
}

/**
 * Move process `pid` to the terminal that standard input and output are on, or to one that reads and writes what they
 * are instead. Resolves to the exit status for ours: that of the process, or 128 + N when signal N ended us. Throws when
 * it cannot be moved.
 */
export async function move(options: MoveOptions): Promise<number> {
  const { pid, redraw, alone, hangup } = options;
  const facts = preflight(pid, options, readRecords);
  requireFilesFor(1 + facts.members.length);
  if (options.forceStdio) await requireAnswers(facts, options.timeoutSeconds);
  warnAbout(facts, alone);
  using cleanup = new DisposableStack();
  const pidfd = orThrow(pidfdOpen(pid), `pidfd_open(${pid})`);
  cleanup.defer(() => close(pidfd));
  const terminal = cleanup.use(new UserTerminal());
  const pty = cleanup.use(Pty.open());
  verbose(`Opened a new pty: ${pty.name}`);
  // Before the first stop: from here on a signal waits until the target is whole, and ^C is a key. To the end of
  // the program, lest a second SIGHUP of a closing terminal end it before its exit status is out.
  const signals = new OwnSignals();
  reserveThreads(PUMP_THREADS);
  const rawMode = cleanup.use(enterRawMode(terminal));
  const shown = new ScreenKeeper(terminal);
  restoreAtExit(rawMode, shown, cleanup);
  const size = sizeOf(terminal);
  setWindowSize(pty.slave, size());

  const settingsFrom = (old: Termios) => plainTermios(old, plainness(terminal));
  const patience = new Patience({ terminal, rawMode, signals });
  let now: PreflightFacts | undefined = facts;
  const attachment = await patience.repeat(() => {
    const latest = now ?? lookAgain(facts, options);
    now = undefined;
    return attach(latest, pty, options, settingsFrom, patience);
  });
  pty.releaseSlave();
  const notify = () => signalHelpers(attachment, SIGWINCH);
  const tellAll = () => tellSize(attachment, pty.master);
  // Where there is no screen, nothing has to be painted on it.
  const how = redraw === "winch" && !terminal.screenIsTerminal ? "none" : redraw;
  const redrawer = cleanup.use(new Redrawer({ how, pty, size, notify, tellAll }));
  const { paintsItself, oldSize } = attachment;
  if (!paintsItself || redraw !== "winch") redrawer.request(oldSize);
  return await serve({
    target: { pid, pidfd, startTime: facts.stat.startTime },
    attachment,
    pty,
    terminal,
    rawMode,
    signals: signals.inbox,
    screen: shown,
    hangup,
    size,
    repaint: () => redrawer.request(tryGetWindowSize(pty.master)),
  });
}

/** The process may have become another meanwhile. */
function lookAgain({ pid, stat }: PreflightFacts, options: MoveOptions): PreflightFacts {
  const facts = preflight(pid, options, readRecords);
  if (facts.stat.startTime !== stat.startTime) throw new TraceeDiedError(pid);
  return facts;
}

/** What the user should know before anything is done. */
function warnAbout(
  { pid, members, inGroup, oldTerminal, status, targetSeccomp, sharedFilter }: PreflightFacts,
  alone: boolean,
): void {
  const limit = cpuWarning();
  if (limit !== undefined) writeStderr(`reptyr: warning: ${limit}`);
  const job = alone ? [pid] : [pid, ...members.map(({ pid }) => pid)];
  const known = {
    pid,
    uid: status.uids[0],
    job,
    seccomp: targetSeccomp,
    sharedFilter,
    inGroup: alone ? [] : inGroup,
    terminal: alone ? undefined : oldTerminal?.identity,
  };
  for (const line of warnings(readWarningFacts(known))) writeStderr(`reptyr: warning: ${line}`);
}
