/** What `reptyr --list` and `reptyr --why PID` say about processes, and in what order. Pure. */

/**
 * What there is to say about one process. Its names are those of --json, which scripts rely on; what
 * cannot be known, as for a process that is not there, is null.
 */
export interface ProcessReport {
  readonly pid: number;
  /** Effective user id, and its name in /etc/passwd or else the number as text. */
  readonly uid: number | null;
  readonly user: string | null;
  /** Name below /dev, such as `pts/3`; null for a process on none, or none that we may see. */
  readonly terminal: string | null;
  /** Whether that terminal has hung up. */
  readonly terminalGone: boolean;
  /** Whether it is not ours of that name, but that of another /dev/pts, as every container has one. */
  readonly terminalElsewhere: boolean;
  /** One letter of proc_pid_stat(5). */
  readonly state: string | null;
  /** Command line in one line, control characters written out. */
  readonly command: string | null;
  /** Number of processes in its job, itself among them. */
  readonly members: number | null;
  readonly can: boolean;
  /** Why it cannot be moved, in the words of `reptyr PID`; null when it can. */
  readonly reason: string | null;
  /** What can be done about that, or is good to know, each in a line of its own. */
  readonly remedies: readonly string[];
  /** What to know before it is moved. */
  readonly warnings: readonly string[];
}

const NUMERIC = new Intl.Collator("en", { numeric: true });

/** `pts/2` before `pts/10`, a terminal that is there before a gone one of the same number. */
export function byTerminal(a: ProcessReport, b: ProcessReport): number {
  return NUMERIC.compare(a.terminal ?? "", b.terminal ?? "") ||
    Number(a.terminalGone) - Number(b.terminalGone) || a.pid - b.pid;
}
