/** Reads what jobMembers() looks at beside the table of processes. */
import { isInitAbove } from "../../proc/init.ts";
import type { JobRecord } from "../record/job_record.ts";
import type { Evidence } from "./job_members.ts";
import type { TerminalIdentity } from "./old_terminal.ts";
import { usersOf } from "./terminal_users.ts";

export interface EvidenceOf {
  /** Its numbers, as in Status. */
  readonly nsPid: readonly number[];
  /** The terminal that it leaves, if it is on one. */
  readonly terminal: TerminalIdentity | undefined;
}

/** Of a target; `record` is that of the reptyr that serves its terminal. */
export function evidenceOf(
  { nsPid, terminal }: EvidenceOf,
  record: JobRecord | undefined,
): Required<Evidence> {
  const { groups, members = [], bystanders = [] } = record ?? {};
  return {
    usesTerminal: usersOf(terminal),
    isInit: (one) => isInitAbove(one, nsPid),
    earlier: groups === undefined ? undefined : { groups, members, bystanders },
  };
}
