/** Looks at the targets before any of them is touched: what cannot be watched is said with its reason. */
import { unsupportedProgram } from "../arch/mod.ts";
import { RefusedError } from "../errors.ts";
import { readWordBytes } from "../proc/auxv.ts";
import { readCommand } from "../proc/command.ts";
import { lookAgain } from "../proc/look_again.ts";
import { shorten } from "../proc/printable.ts";
import { isDeadState, isKernelThread, readStat } from "../proc/stat.ts";
import { listTids } from "../proc/tasks.ts";
import { throughThread } from "../proc/threads.ts";
import {
  processName,
  readAttachFacts,
  readSelfFacts,
  readYamaLevel,
} from "../tracee/attach_facts.ts";
import {
  type AttachFacts,
  explainAttachFailure,
  frozen,
  isAttachForbidden,
  mayBePassing,
} from "../tracee/attach_failure.ts";

/**
 * The processes to watch, each once; `byPtrace`: with ptrace(2), which may be forbidden. Throws RefusedError for the first
 * that cannot be.
 */
export function preflight(pids: readonly number[], byPtrace: boolean): number[] {
  const each = [...new Set(pids)];
  for (const pid of each) {
    const { refused, needsPtrace } = inspect(pid);
    if (needsPtrace === true && !byPtrace) continue;
    if (refused !== undefined) throw refused;
  }
  return each;
}

/** The error to throw after the kernel refused to let us trace `pid`. Reads everything anew. */
export function attachFailure(pid: number): RefusedError {
  const { refused, facts } = inspect(pid);
  return refused ?? (facts === undefined ? noSuchProcess(pid) : explainAttachFailure(facts));
}

interface Inspection {
  readonly refused?: RefusedError;
  readonly facts?: AttachFacts;
  /** Whether it is a reason only for who stops the process. */
  readonly needsPtrace?: boolean;
}

/** A reason to refuse it is one only if it is found again and again. */
function inspect(pid: number): Inspection {
  return lookAgain(
    () => inspectOnce(pid),
    ({ refused, facts }) => refused !== undefined && (facts === undefined || mayBePassing(facts)),
  );
}

function inspectOnce(pid: number): Inspection {
  try {
    return inspectVisible(pid);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    const why = "permission denied: /proc hides the processes of other users (hidepid)";
    return {
      refused: new RefusedError(`Cannot watch process ${pid}: ${why}`, [
        `Run: sudo procout ${pid}`,
      ]),
    };
  }
}

function inspectVisible(pid: number): Inspection {
  return throughThread(pid, (tid) => inspectThrough(pid, tid)) ?? inspectThrough(pid, undefined);
}

/** `tid`: a thread that lives. */
function inspectThrough(pid: number, tid: number | undefined): Inspection {
  const stat = readStat(pid);
  const tids = listTids(pid);
  if (stat === undefined || tids === undefined) return { refused: noSuchProcess(pid) };
  const command = readCommand(pid, tid);
  const attach = readAttachFacts(pid, tids, tid, {
    self: readSelfFacts("procout"),
    yama: readYamaLevel(),
  });
  if (command === undefined || attach === undefined) return { refused: noSuchProcess(pid) };
  const facts = { ...attach, command };
  const refuse = (why: string, ...remedies: string[]) => ({
    refused: new RefusedError(
      `Cannot watch process ${pid} (${shorten(command, 40)}): ${why}`,
      remedies,
    ),
    facts,
  });
  const { tgid } = attach.status;
  if (tgid !== pid) {
    const { command } = processName(tgid);
    return refuse(
      `it is a thread of process ${tgid} (${shorten(command, 40)})`,
      `Run: procout ${tgid}`,
    );
  }
  if (isKernelThread(stat)) return refuse("it is a kernel thread");
  if (tid === undefined) {
    return refuse(isDeadState(stat.state) ? "it has ended and is a zombie" : "it is just ending");
  }
  if (pid === Deno.pid) return refuse("it is this procout itself");
  const unsupported = unsupportedProgram(readWordBytes(pid, tid));
  if (unsupported !== undefined) return refuse(unsupported);
  if (isAttachForbidden(facts)) {
    return { refused: explainAttachFailure(facts), facts, needsPtrace: true };
  }
  const { frozenBy, self } = facts;
  if (frozenBy === undefined) return { facts };
  return { refused: frozen(facts, frozenBy, self.status.uids[1]), facts, needsPtrace: true };
}

function noSuchProcess(pid: number): RefusedError {
  return new RefusedError(`Cannot watch process ${pid}: no such process`);
}
