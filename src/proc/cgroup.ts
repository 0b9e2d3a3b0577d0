/** /proc/PID/cgroup: cgroups(7), and the login session that systemd keeps a process in. */

import { readProcText } from "./gone.ts";

/** A session of systemd-logind: everything started from one login is in its scope. */
export interface LoginSession {
  /** Name of the scope unit: `session-3.scope`. */
  readonly scope: string;
  /** Who logged in, from `user-1000.slice`; undefined when the scope stands elsewhere. */
  readonly uid: number | undefined;
}

/**
 * The session whose scope, or a cgroup below that, the process is in; undefined when it is in none. Lines are
 * `ID:CONTROLLERS:PATH`. systemd keeps its units in the unified hierarchy, `0::`, or, on a system with cgroup
 * v1 alone, in the one called `name=systemd`.
 */
export function loginSession(text: string): LoginSession | undefined {
  for (const line of text.split("\n")) {
    const path = line.match(/^(?:0:|\d+:name=systemd):(.*)$/)?.[1];
    const scope = path?.match(/\/(session-[A-Za-z0-9]+\.scope)(?:\/|$)/)?.[1];
    if (path === undefined || scope === undefined) continue;
    const uid = path.match(/\/user-(\d+)\.slice\//)?.[1];
    return { scope, uid: uid === undefined ? undefined : Number(uid) };
  }
  return undefined;
}

/** The login session of a process; undefined when it is in none, or gone. */
export function readLoginSession(pid: number): LoginSession | undefined {
  return loginSession(readProcText(pid, undefined, "cgroup") ?? "");
}
