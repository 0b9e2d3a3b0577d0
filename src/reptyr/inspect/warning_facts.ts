/** Reads what `warnings()` looks at. Nothing is done to the target. */

import { SIGTSTP } from "../../ffi/constants.ts";
import { readLoginSession } from "../../proc/cgroup.ts";
import { readable } from "../../proc/gone.ts";
import { killsAtLogout, type LogoutPolicy, readLogoutPolicy } from "../../proc/logind.ts";
import { readStat } from "../../proc/stat.ts";
import { readLiveStats } from "../../proc/stats.ts";
import { hasSignal, readStatus } from "../../proc/status.ts";
import { readUsers } from "../../proc/users.ts";
import { processName } from "../../tracee/attach_facts.ts";
import type { TerminalIdentity } from "./old_terminal.ts";
import type { NamedProcess } from "./refusals.ts";
import { isOnStandard } from "./terminal_users.ts";
import type { WarningFacts } from "./warnings.ts";

/** What is known of a target already. */
export type KnownFacts =
  & Pick<WarningFacts, "pid" | "uid" | "job" | "seccomp" | "sharedFilter" | "inGroup">
  & { readonly terminal: TerminalIdentity | undefined };

/** Others that could be moved from terminal `terminal`, which has hung up. One that is there has its own shell. */
function leftOn(terminal: TerminalIdentity | undefined, job: readonly number[]): NamedProcess[] {
  if (terminal === undefined || terminal.live) return [];
  return readLiveStats().filter(({ pid, ttyNr }) =>
    ttyNr === 0 && pid !== Deno.pid && !job.includes(pid)
  )
    .filter(({ pid }) => isOnStandard(terminal, pid))
    .map(({ pid }) => ({ ...processName(pid), ttyNr: 0 }));
}

/** What is the same for every target: read once where many are looked at. */
export interface LoginFacts {
  readonly selfUid: number;
  readonly selfSession: WarningFacts["selfSession"];
  readonly policy: LogoutPolicy;
  /** Names by user id. */
  readonly users: ReadonlyMap<number, string>;
}

export function readLoginFacts(): LoginFacts {
  return {
    selfUid: Deno.uid() ?? 0,
    selfSession: readLoginSession(Deno.pid),
    policy: readLogoutPolicy(),
    users: readUsers(),
  };
}

/** The processes of the session that `pid` leads, if it leads one, on its terminal. */
function bereftOf(pid: number, job: readonly number[]): number[] {
  const leader = readable(() => readStat(pid));
  if (leader === undefined || leader.session !== pid || leader.ttyNr === 0) return [];
  return job.filter((one) => {
    const stat = one === pid ? undefined : readable(() => readStat(one));
    return stat?.session === pid && stat.ttyNr === leader.ttyNr;
  });
}

/** The interactive shells of `job`, which ignore SIGTSTP, in the session that `pid` leaves; the uppermost first. */
function shellsOf(pid: number, job: readonly number[]): number[] {
  const target = readable(() => readStat(pid));
  if (target === undefined || target.session === pid) return [];
  return job.filter((one) => {
    const stat = one === pid ? undefined : readable(() => readStat(one));
    if (stat === undefined || stat.session !== target.session || stat.pgrp !== one) return false;
    return hasSignal(readable(() => readStatus(one))?.sigIgnored ?? 0n, SIGTSTP);
  });
}

/** The facts about one target; that of a session that nobody can name is killed or not as the rest is. */
export function readWarningFacts(known: KnownFacts, login = readLoginFacts()): WarningFacts {
  const session = readLoginSession(known.pid);
  const user = session?.uid === undefined ? undefined : login.users.get(session.uid);
  const { selfUid, selfSession, policy } = login;
  const bereft = bereftOf(known.pid, known.job);
  const shells = shellsOf(known.pid, known.job);
  return {
    ...known,
    bereft,
    shells,
    left: leftOn(known.terminal, known.job),
    selfUid,
    selfSession,
    session,
    killed: killsAtLogout(policy, user),
  };
}
