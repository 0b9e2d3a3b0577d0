/**
 * Looks for the terminal that `reptyr -T PID` is to take: whose it is, and what speaks against taking it. Nobody is
 * stopped or changed.
 */
import { RefusedError } from "../../errors.ts";
import { close } from "../../ffi/descriptor.ts";
import { terminalName } from "../../proc/device.ts";
import { decodeDevice, ptsDevice, ptsIndex } from "../../proc/device.ts";
import { readFds } from "../../proc/fds.ts";
import { readable } from "../../proc/gone.ts";
import { readStat, type Stat } from "../../proc/stat.ts";
import { throughThread } from "../../proc/threads.ts";
import { type DeviceFile, deviceFile, slaveOf } from "../../tty/master.ts";
import {
  canSuspendSeccomp,
  explainAttachFailure,
  isAttachForbidden,
} from "../../tracee/attach_failure.ts";
import { isOnTerminal } from "../inspect/old_terminal.ts";
import { gather } from "../inspect/target_facts.ts";
import { frozenRefusal, named, noProcess, type TargetFacts } from "../inspect/refusals.ts";
import { filterRefusal, OUTSIDE } from "../inspect/filter/shared_filter.ts";
import { findMaster, type FoundMaster } from "../inspect/find_master.ts";
import {
  sameFile,
  stealFailure,
  subject,
  type WantedTerminal,
  wantedTerminal,
} from "../inspect/stolen_terminal.ts";
import { identityOf, type ProcessIdentity } from "../../proc/process_identity.ts";

export interface StealFacts {
  readonly target: TargetFacts;
  readonly wanted: WantedTerminal;
  /** Our own descriptor of the master, close-on-exec; the caller closes it. */
  readonly master: number;
  /** All who hold it. */
  readonly holders: readonly ProcessIdentity[];
}

/** The facts about the terminal of process `pid`. Throws RefusedError when it cannot be taken. */
export function stealPreflight(pid: number): StealFacts {
  const target = look(pid);
  const wanted = wantedTerminal(target);
  const found = search(wanted, target);
  using undo = new DisposableStack();
  undo.defer(() => found.copy !== undefined && close(found.copy));
  // Before the holders are looked at: a holder may be a process that we may not ask about.
  refuseOwn(target, found);
  for (const holder of found.pids) refuseHolder(holder, found, target);
  if (found.copy === undefined) throw notFound(target, wanted, found.hidden);
  refuseShowing(target, found.copy);
  undo.move();
  return { target, wanted, master: found.copy, holders: found.pids.map(identityOf) };
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
  try {
    return { target: gather(pid), isHidden: false };
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    return { target: undefined, isHidden: true };
  }
}

/** The terminal that we run on, or are used from: we would show it in itself. */
function refuseOwn(target: TargetFacts, { copy }: FoundMaster): void {
  const self = readStat(Deno.pid);
  const file = copy === undefined ? undefined : slaveOf(copy);
  const isOwn = self !== undefined && self.ttyNr !== 0 && isControlledBy(self, target.stat) ||
    ownFiles().some((own) => sameFile(own, file));
  if (!isOwn) return;
  throw new RefusedError(`${subject(target)}: it is the terminal this reptyr runs on`, [
    "Run reptyr in another terminal",
  ]);
}

function isControlledBy(self: Stat, { session, ttyNr }: Stat): boolean {
  return session === self.session && ttyNr === self.ttyNr;
}

function ownFiles(): DeviceFile[] {
  return [0, 1].map(deviceFile);
}

/** Each holder of the master will be traced for a moment: say now why that is not possible. */
function refuseHolder(pid: number, { forbidden }: FoundMaster, target: TargetFacts): void {
  const facts = readable(() => gather(pid));
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

/**
 * A terminal that ours is shown on, as that which script(1) or a client of tmux(1) runs on: what we write would come
 * back to us through it, without end.
 */
function refuseShowing(target: TargetFacts, master: number): void {
  const wanted = slaveOf(master);
  if (wanted === undefined) return;
  const open = ownFiles();
  const known: DeviceFile[] = [];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    const shown = file;
    const index = ptsIndex(decodeDevice(shown.rdev));
    if (index === undefined || known.some((one) => sameFile(one, shown))) continue;
    known.push(shown);
    const { copy, pids } = findMaster({ index, session: undefined, file: shown });
    if (copy !== undefined) close(copy);
    for (const pid of pids) {
      const terminals = terminalsOf(pid);
      if (terminals.some((terminal) => sameFile(terminal, wanted))) {
        const holder = named({ pid, command: readable(() => gather(pid))?.command ?? "" });
        throw new RefusedError(
          `${subject(target)}: this reptyr's own terminal is shown on it, by process ${holder}`,
          ["Run reptyr in a terminal that is not inside of it"],
        );
      }
      open.push(...terminals);
    }
  }
}

/** The terminals that a process writes to. */
function terminalsOf(pid: number): DeviceFile[] {
  const fds = readable(() => throughThread(pid, (tid) => readFds(pid, tid))) ?? [];
  return fds.filter((descriptor) => isOnTerminal(descriptor));
}
