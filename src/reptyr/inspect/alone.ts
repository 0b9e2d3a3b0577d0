/** `--alone`: which targets cannot go alone. Pure. */
import { RefusedError } from "../../errors.ts";
import type { ProcessPlace } from "./job_members.ts";
import { named } from "./refusals.ts";

/**
 * Throws RefusedError for a session leader that shares the terminal with others. Only by giving it up can it take
 * another, and that takes it from the whole session, and hangs up the foreground group: TIOCNOTTY in ioctl_tty(2). `table` holds all live processes.
 */
export function refuseAlone(
  target: { readonly pid: number; readonly command: string },
  { session, ttyNr, tpgid }: ProcessPlace & { readonly tpgid?: number },
  table: readonly ProcessPlace[],
): void {
  const { pid } = target;
  if (session !== pid || ttyNr === 0) return;
  const others = table.filter((entry) =>
    entry.pid !== pid && entry.session === pid && (entry.ttyNr === ttyNr || entry.pgrp === tpgid)
  );
  if (others.length === 0) return;
  const who = others.length === 1 ? "another process" : `${others.length} other processes`;
  throw new RefusedError(
    `Cannot move process ${
      named(target)
    } alone: it leads the session of ${who}, which would lose ` +
      `the terminal with it (${others.map(({ pid }) => pid).slice(0, 8).join(", ")})`,
    [
      `To move them with it, run: reptyr ${pid}`,
      `To take over the whole terminal, run: reptyr --steal ${pid}`,
    ],
  );
}
