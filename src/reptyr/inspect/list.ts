/** `reptyr --list` and `reptyr --why PID`: whether processes can be moved. Only files in /proc are read. */

import { lastingSleeper } from "../../proc/asleep.ts";
import { decodeDevice, ptsIndex, terminalName } from "../../proc/device.ts";
import { readable } from "../../proc/gone.ts";
import { isDeadState, isKernelThread, isLive, livingThread, type Stat } from "../../proc/stat.ts";
import { readLiveStats, readStats } from "../../proc/stats.ts";
import { explainAttachFailure, isAttachUnlikely } from "../../tracee/attach_failure.ts";
import { oldTerminal, type TerminalIdentity } from "./old_terminal.ts";
import { inspect } from "./preflight.ts";
import { byTerminal, type ProcessReport } from "./process_report.ts";
import type { TargetFacts } from "./refusals.ts";
import { readSurroundings, type RecordReader, type Surroundings } from "./surroundings.ts";
import { standardTerminals } from "./terminal_users.ts";
import { type LoginFacts, readLoginFacts, readWarningFacts } from "./warning_facts.ts";
import { warnings } from "./warnings.ts";

/** Every process on a terminal but this one, ordered by terminal, then by pid. */
export function listProcesses(records: RecordReader): ProcessReport[] {
  const stats = readStats();
  const around = readSurroundings(stats.filter(isLive), records);
  const login = readLoginFacts();
  return stats
    .filter((stat) => stat.pid !== Deno.pid && !isKernelThread(stat) && mayBeOnTerminal(stat))
    .map(({ pid }) => reportOn(pid, around, login))
    .filter(({ terminal }) => terminal !== null) // and not ended meanwhile
    .sort(byTerminal);
}

/** The same about one process, whatever it is. */
export function explainProcess(pid: number, records: RecordReader): ProcessReport {
  return reportOn(pid, readSurroundings(readLiveStats(), records), readLoginFacts());
}

function reportOn(pid: number, around: Surroundings, login: LoginFacts): ProcessReport {
  const { target, refused } = inspect(pid, around);
  const error = refused ??
    (target !== undefined && isAttachUnlikely(target) ? explainAttachFailure(target) : undefined);
  const verdict = {
    can: error === undefined,
    reason: error?.message ?? null,
    remedies: error?.remedies ?? [],
  };
  if (target === undefined) return { pid, ...UNKNOWN, ...verdict };

  const uid = target.status.uids[1];
  const job = [pid, ...target.members.map(({ pid }) => pid)];
  const { stat, fds, inGroup, status } = target;
  const terminal = fds && oldTerminal(stat.ttyNr, fds)?.identity;
  const known = {
    pid,
    uid: status.uids[0],
    job,
    // Of one that is refused nothing is done about its filter.
    seccomp: error === undefined ? status.seccomp : 0,
    sharedFilter: target.sharedFilter?.kinship,
    inGroup,
    terminal,
  };
  return {
    pid,
    uid,
    user: login.users.get(uid) ?? String(uid),
    ...terminalOf(target, terminal),
    state: target.stat.state,
    command: target.command,
    members: job.length,
    ...verdict,
    warnings: target.tid === undefined ? [] : warnings({
      ...readWarningFacts(known, login),
      // While it is moved it is waited for, which is said then.
      ...error === undefined ? { asleep: lastingSleeper(job) } : {},
    }),
  };
}

const UNKNOWN = {
  uid: null,
  user: null,
  terminal: null,
  terminalGone: false,
  terminalElsewhere: false,
  state: null,
  command: null,
  members: null,
  warnings: [],
};

/** The controlling terminal; without one, that which it would be moved away from. */
function terminalOf({ stat }: TargetFacts, old: TerminalIdentity | undefined) {
  const terminalElsewhere = old !== undefined && isPtsElsewhere(old);
  if (stat.ttyNr !== 0) {
    const terminal = terminalName(decodeDevice(stat.ttyNr));
    return { terminal, terminalGone: false, terminalElsewhere };
  }
  if (old === undefined) return { terminal: null, terminalGone: false, terminalElsewhere };
  const { rdev, live } = old;
  return { terminal: terminalName(decodeDevice(rdev)), terminalGone: !live, terminalElsewhere };
}

let ownDevpts: number | undefined;

/** Whether a pts of this number is on a file system of its own, such as that of a container: pts(4). */
function isPtsElsewhere({ dev, rdev }: TerminalIdentity): boolean {
  if (ptsIndex(decodeDevice(rdev)) === undefined) return false;
  ownDevpts ??= readable(() => Deno.statSync("/dev/pts").dev) ?? 0;
  return ownDevpts !== 0 && dev !== ownDevpts;
}

/**
 * Whether it is worth a closer look: on a controlling terminal, or with one as descriptor 0, 1 or 2. Most processes are
 * neither, and of those nothing but the links of these descriptors is read.
 */
function mayBeOnTerminal({ pid, ttyNr, state, numThreads }: Stat): boolean {
  if (ttyNr !== 0) return true;
  if (isDeadState(state)) return false;
  return standardTerminals(pid, numThreads > 1 ? livingThread(pid) : undefined).length > 0;
}
