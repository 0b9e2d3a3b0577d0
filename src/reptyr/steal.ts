/** `reptyr -T PID`: take over the whole terminal that a process runs on, and serve it until all have left it. */
import { TraceeDiedError } from "../errors.ts";
import { close } from "../ffi/descriptor.ts";
import { pidfdOpen } from "../ffi/process.ts";
import { reserveThreads } from "../ffi/threads.ts";
import { orThrow } from "../ffi/raw.ts";
import { verbose, writeStderr } from "../log.ts";
import { cpuWarning } from "../proc/require_room.ts";
import { encodeDevice, ptsDevice } from "../proc/device.ts";
import { slaveOf } from "../tty/master.ts";
import { Pty } from "../tty/pty.ts";
import { PUMP_THREADS } from "../tty/pump.ts";
import { RawMode } from "../tty/raw_mode.ts";
import { UserTerminal } from "../tty/user_terminal.ts";
import { tryGetWindowSize } from "../tty/window_size.ts";
import type { MoveOptions } from "./mod.ts";
import { restoreAtExit, sizeOf } from "./own_terminal.ts";
import { OwnSignals, Patience } from "./patience.ts";
import { ScreenKeeper } from "./screen_keeper.ts";
import { readLiveStats, readStats } from "../proc/stats.ts";
import { continueServed } from "./hold.ts";
import { isIn } from "./job_members.ts";
import type { ProcessName } from "./job_record.ts";
import { type KnownRecord, readRecords } from "./known_records.ts";
import { PublishedRecord } from "./published_record.ts";
import { Redrawer } from "./redraw.ts";
import { takeOverJob } from "./served_job.ts";
import { SlaveGuard } from "./slave_guard.ts";
import { type StealFacts, stealPreflight } from "./steal_preflight.ts";
import { notifyHelpers, serveStolen } from "./steal_serve.ts";
import { HungUpMaster } from "./steal_losers.ts";
import { stealFailure } from "./stolen_terminal.ts";
import { takeMaster } from "./steal_take.ts";
import { readWarningFacts } from "./warning_facts.ts";
import { warnings } from "./warnings.ts";

/**
 * Take the terminal of process `pid`, with all that runs on it, to the one that standard input and output are on.
 * Resolves to the exit status for ours: that of the process if it has ended, else 0, or 128 + N when signal N ended
 * us. Throws when it cannot be taken; all is as it was then.
 */
export async function steal({ pid, timeoutSeconds, redraw }: MoveOptions): Promise<number> {
  using cleanup = new DisposableStack();
  const facts = stealPreflight(pid);
  cleanup.defer(() => close(facts.master));
  warnAbout(facts);
  const pidfd = openPidfd(facts);
  cleanup.defer(() => close(pidfd));
  const terminal = cleanup.use(new UserTerminal());
  // Before the first stop: see move().
  const signals = new OwnSignals();
  reserveThreads(PUMP_THREADS);
  const rawMode = cleanup.use(RawMode.enter(terminal.keyboard));
  const screen = new ScreenKeeper(terminal);
  restoreAtExit(rawMode, screen, cleanup);
  const size = sizeOf(terminal);

  const guard = cleanup.use(new SlaveGuard(facts.master));
  const replacement = cleanup.use(new HungUpMaster());
  const served = readRecords().find(({ target, groups }) =>
    target.pid === facts.wanted.session && groups !== undefined
  );
  // Before that reptyr loses its terminal: it looks for who has the job then.
  const published = served && cleanup.use(new PublishedRecord(served.target));
  continueServed(facts.holders, standingBy(facts, served));
  const patience = new Patience({ terminal, rawMode, signals });
  let now: StealFacts | undefined = facts;
  const losses = await patience.repeat(() => {
    const latest = now ?? lookAgain(facts);
    now = undefined;
    return takeMaster(latest, replacement.descriptor, timeoutSeconds, patience);
  });
  replacement.watch(losses);
  for (const { process: { pid }, fds } of losses) {
    verbose(`Took the terminal from process ${pid}, descriptors ${fds.join(", ")}`);
  }
  const pty = Pty.adopt(facts.master);
  verbose(`Serving ${pty.name}`);
  const job = served && published &&
    takeOverJob(served, published, slaveOf(pty.master));
  const notify = () => notifyHelpers(job);
  const redrawer = cleanup.use(new Redrawer({ how: redraw, pty, size, notify }));
  const repaint = () => redrawer.request(tryGetWindowSize(pty.master));
  repaint();
  return await serveStolen({
    target: { pid, pidfd, startTime: facts.target.stat.startTime },
    session: facts.wanted.session,
    pty,
    guard,
    job,
    terminal,
    rawMode,
    signals: signals.inbox,
    screen,
    size,
    repaint,
  });
}

/** Who may have been stopped by ^Z with the reptyr that serves the terminal: its foreground, and what `served` names. */
function standingBy({ wanted }: StealFacts, served: KnownRecord | undefined): ProcessName[] {
  const groups = served?.groups ?? [];
  return readLiveStats().filter((stat) =>
    stat.session === wanted.session && stat.pgrp === stat.tpgid ||
    groups.some((group) => isIn(group, stat))
  );
}

/** Others may hold the master by now, and the process may have become another. */
function lookAgain(before: StealFacts): StealFacts {
  const { target, holders, master } = stealPreflight(before.target.pid);
  close(master);
  if (target.stat.startTime === before.target.stat.startTime) return { ...before, holders };
  throw new TraceeDiedError(before.target.pid);
}

function openPidfd({ target }: StealFacts): number {
  try {
    return orThrow(pidfdOpen(target.pid), `pidfd_open(${target.pid})`);
  } catch (error) {
    throw stealFailure(error, target);
  }
}

/**
 * What the user should know before anything is done. Nothing is injected into those who are on the terminal, and it stays
 * the /dev/tty of them all.
 */
function warnAbout({ target, wanted }: StealFacts): void {
  const limit = cpuWarning();
  if (limit !== undefined) writeStderr(`reptyr: warning: ${limit}`);
  const device = encodeDevice(ptsDevice(wanted.index));
  const job = readStats().filter(({ ttyNr, session }) =>
    ttyNr >>> 0 === device && session === wanted.session
  ).map(({ pid }) => pid);
  const { pid, status: { uids: [uid] } } = target;
  const known = { pid, uid, job, seccomp: 0, inGroup: [], terminal: undefined };
  for (const line of warnings({ ...readWarningFacts(known), bereft: [], shells: [] })) {
    writeStderr(`reptyr: warning: ${line}`);
  }
}
