/** Reads from /proc what `attach_failure.ts` explains: whether a process can be traced, and which tracer it has. */
import { readCommand } from "../proc/command.ts";
import { readFrozen } from "../proc/freezer.ts";
import { procFolder, readable, unlessGone } from "../proc/gone.ts";
import { readLabel } from "../proc/label.ts";
import { livingThread } from "../proc/stat.ts";
import { readStatus } from "../proc/status.ts";
import type { AttachFacts, SelfFacts } from "./attach_failure.ts";

/** What is the same for every target. */
export interface AttachSurroundings {
  readonly self: SelfFacts;
  readonly yama: number | undefined;
}

/** The facts about this program, which the user calls `program`. Throws a plain Error without /proc. */
export function readSelfFacts(program: string): SelfFacts {
  const status = readStatus(Deno.pid);
  if (status === undefined) throw new Error("Cannot read /proc/self/status: is /proc mounted?");
  return {
    program,
    status,
    userNamespace: readable(() => Deno.readLinkSync("/proc/self/ns/user")),
    label: readLabel(Deno.pid),
  };
}

/**
 * The facts about process `pid` with the threads `tids`, of which `tid` still runs, if any does; undefined when it is
 * gone. `command` is left to the caller. A tracer that `letsGo` says yes to is no obstacle.
 */
export function readAttachFacts(
  pid: number,
  tids: readonly number[],
  tid: number | undefined,
  { self, yama }: AttachSurroundings,
  letsGo: (tracer: number) => boolean = () => false,
): Omit<AttachFacts, "command"> | undefined {
  const status = readStatus(pid, tid);
  const fileOwner = unlessGone(() => Deno.statSync(`${procFolder(pid, tid)}/stat`).uid);
  if (status === undefined || fileOwner === undefined) return undefined;
  return {
    pid,
    tid,
    status,
    tracer: findTracer(pid, tids, letsGo),
    fileOwner: fileOwner ?? 0,
    userNamespace: readable(() => Deno.readLinkSync(`${procFolder(pid, tid)}/ns/user`)),
    hasOtherIds: readIdMap(pid) !== readIdMap(Deno.pid),
    label: readLabel(pid),
    frozenBy: readFrozen(pid, tid),
    yama,
    self,
  };
}

/** A process as a message names it. */
export function processName(pid: number): { readonly pid: number; readonly command: string } {
  return { pid, command: readable(() => readCommand(pid, livingThread(pid))) ?? "[ended]" };
}

/** A tracer of any of the threads but this program, which may have seized some of them before it failed. */
function findTracer(
  pid: number,
  tids: readonly number[],
  letsGo: (tracer: number) => boolean,
): AttachFacts["tracer"] {
  for (const tid of tids) {
    const tracer = readStatus(pid, tid)?.tracerPid ?? 0;
    if (tracer !== 0 && tracer !== Deno.pid && !letsGo(tracer)) return processName(tracer);
  }
  return undefined;
}

/** Level of kernel.yama.ptrace_scope; undefined in a kernel without Yama. */
export function readYamaLevel(): number | undefined {
  const level = readable(() => Deno.readTextFileSync("/proc/sys/kernel/yama/ptrace_scope"));
  return level === undefined ? undefined : Number(level);
}

/** uid_map as user_namespaces(7) shows it to us. */
function readIdMap(pid: number): string | undefined {
  return readable(() => Deno.readTextFileSync(`/proc/${pid}/uid_map`));
}
