/** Processes that say what a reptyr says, and are none. */
import {
  formatRecord,
  type JobRecord,
  type ShieldRecord,
} from "../../src/reptyr/record/job_record.ts";
import { AS_NOBODY } from "./input_run.ts";
import { publicVictim } from "./input_victims.ts";
import { statOf } from "./on_terminal.ts";
import { orDispose } from "./or_dispose.ts";
import { Terminal } from "./terminal.ts";
import { type ProcessIdentity, toIdentity } from "../../src/proc/process_identity.ts";

/** A running process as a record names it. */
export function identityOf(pid: number): ProcessIdentity {
  return toIdentity(statOf(pid));
}

/** No process has this number: PID_MAX_LIMIT is one more than the last. */
const ENDED: ProcessIdentity = { pid: 1 << 22, startTime: 1n };

/** Have process `pid` not ignore SIGHUP any more, at once. */
export function shieldOf(pid: number): ShieldRecord {
  return { process: identityOf(pid), shell: ENDED, action: "00".repeat(32), image: "0".repeat(16) };
}

/** tests/victims/record.c, on a terminal of its own: `args` say what it has open. */
export function startHolder(
  args: readonly string[],
  prefix: readonly string[] = AS_NOBODY,
): Terminal {
  const terminal = Terminal.start([...prefix, publicVictim("record"), ...args], {
    label: "holder",
  });
  return orDispose(terminal, () => {
    terminal.expect(`ready ${terminal.pid}`);
    return terminal;
  });
}

export interface ForgerOptions {
  /** What makes it another user. */
  readonly prefix?: readonly string[];
  /** The user that has made the file, for one that root runs. */
  readonly maker?: number;
}

/** One that holds `record`. */
export function startForger(
  record: JobRecord,
  { prefix, maker }: ForgerOptions = {},
): Terminal {
  const file = ["memfd", formatRecord(record)];
  return startHolder(maker === undefined ? file : ["as", `${maker}`, ...file], prefix);
}
