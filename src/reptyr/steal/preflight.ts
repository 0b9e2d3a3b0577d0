/**
 * Looks for the terminal that `reptyr -T PID` is to take: which processes hold its master, and what speaks against taking
 * it. No process is stopped or changed.
 */
import { RefusedError } from "../../errors.ts";
import { close } from "../../ffi/descriptor.ts";
import { ptsDevice, terminalName } from "../../proc/device.ts";
import { readable } from "../../proc/gone.ts";
import { lookAgain } from "../../proc/look_again.ts";
import { identityOf, type ProcessIdentity } from "../../proc/process_identity.ts";
import {
  canSuspendSeccomp,
  explainAttachFailure,
  isAttachForbidden,
  mayBePassing,
} from "../../tracee/attach_failure.ts";
import { filterRefusal, OUTSIDE } from "../inspect/filter/shared_filter.ts";
import { findMaster, type FoundMaster } from "../inspect/find_master.ts";
import { frozenRefusal, named, noProcess, type TargetFacts } from "../inspect/refusals.ts";
import {
  stealFailure,
  subject,
  type WantedTerminal,
  wantedTerminal,
} from "../inspect/stolen_terminal.ts";
import { gather } from "../inspect/target_facts.ts";
import { refuseOwn, refuseShowing } from "./shown_terminal.ts";

export interface StealFacts {
  readonly target: TargetFacts;
  readonly wanted: WantedTerminal;
  /** Our own descriptor of the master, close-on-exec; the caller closes it. */
  readonly master: number;
  /** All processes that hold it. */
  readonly holders: readonly ProcessIdentity[];
}

/** The facts about the terminal of process `pid`. Throws RefusedError when it cannot be taken. */
export function stealPreflight(pid: number): StealFacts {
  const target = look(pid);
  const wanted = wantedTerminal(target);
  // A holder that executes another program is hidden for a moment.
  const found = lookAgain(() => search(wanted, target), isHidden);
  using undo = new DisposableStack();
  undo.defer(() => found.copy !== undefined && close(found.copy));
  // Before the holders are looked at: a holder may be a process that this reptyr may not look into.
  refuseOwn(target, found);
  for (const holder of found.pids) refuseHolder(holder, found, target);
  if (found.copy === undefined) throw notFound(target, wanted, found.hidden);
  refuseShowing(target, found.copy);
  undo.move();
  return { target, wanted, master: found.copy, holders: found.pids.map(identityOf) };
}

function isHidden({ copy, pids, hidden }: FoundMaster): boolean {
  return copy === undefined && pids.length === 0 && hidden > 0;
}

function search(wanted: WantedTerminal, target: TargetFacts): FoundMaster {
  try {
    return findMaster(wanted);
  } catch (error) {
    throw stealFailure(error, target);
  }
}

function look(pid: number): TargetFacts {
  const { target, isHidden } = seen(pid);
  const refused = noProcess({ pid, target, isHidden }, "reptyr -T");
  if (refused !== undefined) throw refused;
  if (target === undefined) throw new Error(`Process ${pid} was neither refused nor seen`);
  return { ...target, again: `reptyr -T ${pid}` };
}

function seen(pid: number): { target: TargetFacts | undefined; isHidden: boolean } {
  return lookAgain(() => {
    try {
      return { target: gather(pid), isHidden: false };
    } catch (error) {
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      return { target: undefined, isHidden: true };
    }
  }, ({ target, isHidden }) => isHidden || target !== undefined && isUnclear(target));
}

/** Whether less is seen of it than its terminal has to be told by. */
function isUnclear(facts: TargetFacts): boolean {
  return facts.fds === undefined && mayBePassing(facts);
}

/** Each holder of the master is to be traced for a moment: throws RefusedError where that is not possible. */
function refuseHolder(pid: number, { forbidden }: FoundMaster, target: TargetFacts): void {
  const facts = lookAgain(
    () => readable(() => gather(pid)),
    (facts) => facts !== undefined && mayBePassing(facts) && !isReady(facts),
  );
  if (facts === undefined || facts.tid === undefined) return;
  if (facts.isMachineInit) {
    throw new RefusedError(
      `${subject(target)}: process ${
        named(facts)
      }, the init of this machine, holds it, and is never touched`,
      [`To move the process with its job instead, run: reptyr ${target.pid}`],
    );
  }
  const again = `reptyr -T ${target.pid}`;
  if (isAttachForbidden(facts) || forbidden.includes(pid)) {
    throw explainAttachFailure({ ...facts, again });
  }
  if (facts.status.seccomp !== 0 && !canSuspendSeccomp(facts)) {
    throwIfFiltered(facts, target, again);
  }
  const refused = frozenRefusal(facts);
  if (refused !== undefined) throw refused;
}

function isReady(holder: TargetFacts): boolean {
  return !isAttachForbidden(holder) &&
    (holder.status.seccomp === 0 || canSuspendSeccomp(holder) || holder.sharedFilter !== undefined);
}

function throwIfFiltered(facts: TargetFacts, target: TargetFacts, again: string): void {
  const { sharedFilter, self } = facts;
  const refused = sharedFilter !== undefined
    ? filterRefusal(`${subject(target)}: process ${named(facts)} holds it`, sharedFilter.rehearsal)
    : new RefusedError(
      `${subject(target)}: process ${named(facts)}, which holds it, runs under a seccomp filter, ` +
        "which might kill it for the calls of the move",
      [
        self.status.seccomp !== 0
          ? OUTSIDE
          : `With CAP_SYS_ADMIN the filter can be suspended for a moment: sudo ${again}`,
      ],
    );
  if (refused !== undefined) throw refused;
}

function notFound(target: TargetFacts, { index }: WantedTerminal, hidden: number): RefusedError {
  const name = terminalName(ptsDevice(index));
  if (hidden === 0) {
    return new RefusedError(
      `${subject(target)}: no process that can be seen from here holds the other end of ${name}`,
      ["The program behind it is outside of this container: run reptyr there, as root"],
    );
  }
  const isRoot = target.self.status.uids[1] === 0;
  return new RefusedError(
    `${
      subject(target)
    }: permission denied: none of the processes that may be looked into holds the other ` +
      `end of ${name}; the program behind it is another user's, or forbids that, as sshd does`,
    [
      isRoot
        ? "Run reptyr with the capability CAP_SYS_PTRACE, outside of a container"
        : `Run: sudo reptyr -T ${target.pid}`,
    ],
  );
}
