/** A move of a program under a seccomp filter in the course of which reptyr is killed, and what has become of the program. */
import { assert, assertEquals } from "@std/assert";
import { readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { type Shape, Target } from "./e2e_target.ts";
import { type Fault, injecting } from "./fault_injection.ts";
import { startOn } from "./input_run.ts";
import { victim } from "./programs.ts";
import { waitUntil } from "./terminal.ts";
import { untilAllBlocked } from "./victim.ts";

/** Of tests/victims/sandboxed.c: those under which a call that a program does not make itself ends it. */
export const KILLING_FILTERS: readonly string[] = [
  "kill",
  "kill-thread",
  "trap",
  "notify",
  "deny",
  "wide",
  "arguments",
  "pointer",
  "two",
  "strict",
];

export interface SandboxTrial {
  readonly outcome:
    | "not struck"
    /** It reads and writes on its old terminal. */
    | "as before"
    /** What its filter forbids to undo: it is, or was, on the terminal of the killed reptyr, which has hung up. */
    | "hung up"
    /** Alive, without reading its old terminal: a job in the background, or one whose descriptors have not come back. */
    | "alive"
    /** SIGSYS. */
    | "killed by its filter";
  /**
   * Whether reptyr was about to let a thread run that it had given a forbidden call: src/tracee/covered_call.ts. No order
   * of steps can spare a thread that moment.
   */
  readonly inForbiddenCall: boolean;
}

/** Kill reptyr as it makes its request `number` to ptrace(2) in a move of a program under `filter`. */
export function killedMoving(
  filter: string,
  shape: Shape,
  number: number,
  flags: readonly string[] = [],
): SandboxTrial {
  const log = Deno.makeTempFileSync({ prefix: "reptyr-requests-" });
  try {
    using target = Target.start(
      shape,
      [victim("sandboxed", flags), filter],
      (terminal) => terminal.expect("ready"),
    );
    untilAllBlocked(target.pid);
    const oldTty = target.stat.ttyNr;
    const fault: Fault = {
      side: "own",
      call: "ptrace",
      error: "SIGKILL",
      first: number,
      last: number,
    };
    const { argv } = injecting(fault, log);
    const { terminal } = startOn([target.pid], { prefix: argv.slice(0, -1) });
    using _ = terminal;
    const ended = waitUntil("the end of reptyr, or of the move", () => {
      if (terminal.child.status !== undefined) return "killed";
      const { ttyNr, session } = readStat(target.pid) ?? {};
      const isMoved = ttyNr !== oldTty && session === target.pid;
      return isMoved && readStatus(target.pid)?.tracerPid === 0 && "moved";
    });
    if (ended === "moved" && !terminal.child.handle.waitForEnd(1000)) {
      return { outcome: "not struck", inForbiddenCall: false };
    }
    const end = terminal.expectExit();
    assertEquals(end, { kind: "signaled", signal: 9 }, terminal.describe());
    return { outcome: outcomeOf(target), inForbiddenCall: wasInForbiddenCall(log) };
  } finally {
    Deno.removeSync(log);
  }
}

function outcomeOf(target: Target): SandboxTrial["outcome"] {
  waitUntil("the target to be let go", () => (readStatus(target.pid)?.tracerPid ?? 0) === 0);
  const { terminal } = target;
  const isLeader = terminal.pid === target.pid;
  if (!target.handle.ended) terminal.line("hello");
  const answers = () => terminal.output.includes("line: hello");
  waitUntil(
    "the target to answer, to stop or to end",
    () =>
      target.handle.ended || answers() || (!isLeader && target.stat.tpgid !== target.stat.pgrp) ||
      readStat(target.pid)?.ttyNr === 0,
  );
  if (!target.handle.ended) return answers() ? "as before" : "alive";
  if (!isLeader) {
    // bash tells of a job that has ended before it prompts.
    terminal.line("echo told $((1 + 1))");
    terminal.expect("told 2");
    return terminal.output.includes("Bad system call") ? "killed by its filter" : "hung up";
  }
  const end = terminal.expectExit();
  const isKilled = end.kind === "signaled" && end.signal === SIGSYS;
  if (!isKilled) assert(end.kind === "exited" || end.kind === "signaled" && end.signal === SIGHUP);
  return isKilled ? "killed by its filter" : "hung up";
}

const SIGHUP = 1;
const SIGSYS = 31;

/** The last requests that strace(1) saw: the thread had come to an entry, was given other registers, and was to run on. */
function wasInForbiddenCall(log: string): boolean {
  const requests = Deno.readTextFileSync(log).split("\n").flatMap((line) =>
    /ptrace\((PTRACE_\w+)/.exec(line)?.[1] ?? []
  );
  return requests.slice(-3).join() === "PTRACE_SYSCALL,PTRACE_SETREGSET,PTRACE_SYSCALL";
}
