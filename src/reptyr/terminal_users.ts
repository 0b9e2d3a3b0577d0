/** Which processes use a terminal, as far as we may see their descriptors. */
import { readFds } from "../proc/fds.ts";
import { readable } from "../proc/gone.ts";
import { throughThread } from "../proc/threads.ts";
import type { UsesTerminal } from "./job_members.ts";
import { type TerminalIdentity, usesTerminal } from "./old_terminal.ts";

/** Asks anew each time. Without a terminal there is nobody who uses it. */
export function usersOf(terminal: TerminalIdentity | undefined): UsesTerminal {
  if (terminal === undefined) return () => false;
  return (pid) =>
    usesTerminal(terminal, readable(() => throughThread(pid, (tid) => readFds(pid, tid))) ?? []);
}
