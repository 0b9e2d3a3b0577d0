/** Waiting for any of very many tracees: waitpid(2), waitid(2). Nothing here allocates from call to call. */
import { __WALL, P_ALL, WEXITED, WNOHANG, WNOWAIT, WUNTRACED } from "./constants.ts";
import { libc } from "./libc.ts";

const status = new Int32Array(1);
const statusBytes = new Uint8Array(status.buffer);

/** The wait status that the last successful call of this module got. */
export function lastStatus(): number {
  return status[0] ?? 0;
}

/** The tid of a tracee or child that has a status by now, and takes the status; 0 when none has, -1 when none is left to wait for. */
export function waitAnyNow(): number {
  return libc().waitpid(-1, statusBytes, WNOHANG | __WALL);
}

/**
 * The tid of the next tracee or child that has a status; this thread waits for it. -1 when a signal came whose handler does
 * not restart calls, or when none is left to wait for. errno is not asked for: that might wait again.
 */
export function waitAny(): number {
  return libc().waitpid(-1, statusBytes, __WALL);
}

/** The same for process `pid` alone: `pid` when it has one. */
export function waitNow(pid: number): number {
  return libc().waitpid(pid, statusBytes, WNOHANG | __WALL);
}

/** A siginfo_t that is not read. It must not be collected while another thread waits with it. */
const unread = new Uint8Array(128);

/** Settles when a tracee or child has a status, which is not taken. Waits on another thread: the event loop runs meanwhile. */
export async function anyStatus(): Promise<void> {
  const options = WEXITED | WUNTRACED | WNOWAIT | __WALL;
  await libc().waitidAsync(P_ALL, 0, unread, options);
}
