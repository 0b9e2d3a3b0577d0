/**
 * One move in the middle of which all that it works on is frozen. It has to come to its end while they stand still; and
 * once they are thawed, all are as they were, or moved.
 */
import { assert, assertEquals } from "@std/assert";
import { SIGCONT } from "../../src/ffi/constants.ts";
import { isLive, readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { descendantsOf, ProcessHandle } from "./child.ts";
import type { Fault } from "./fault_injection.ts";
import {
  assertAsBefore,
  assertWhole,
  factsOf,
  LogFile,
  start,
  startReptyr,
  type SubjectName,
} from "./fault_trial.ts";
import type { Cgroup } from "./frozen.ts";
import { assertMessage, linesOf, settingsOf } from "./input_run.ts";
import { waitUntil } from "./terminal.ts";

export interface FrozenTrial {
  readonly outcome: "not frozen" | "as before" | "moved" | "without terminal" | "hung up";
  /** What reptyr said. */
  readonly message?: string;
  /** From the freezing to the end of reptyr, which may wait for `timeout` seconds. */
  readonly seconds?: number;
}

/** What --verbose says when the move is done; the lines that are no message. */
const SERVING = /\[\+\] (Remote scopes|Serving)/;
const ASIDE = /^reptyr: warning: |^\[\+\] /;

/** Freeze at ptrace(2) number `call` of reptyr. `cgroup` is empty, and disposed of later. */
export function frozenAt(
  name: SubjectName,
  cgroup: Cgroup,
  call: number,
  timeout = 1,
): FrozenTrial {
  const fault: Fault = { side: "own", call: "ptrace", error: "SIGSTOP", first: call, last: call };
  using log = new LogFile();
  using subject = start(name, true);
  for (const pid of subject.pids) cgroup.add(pid);
  const before = subject.pids.map(factsOf);
  const args = ["-V", `--timeout=${timeout}`, ...subject.args];
  using run = startReptyr({ ...subject, args }, fault, log.path);
  const { terminal } = run;
  const isStopped = () => Deno.readTextFileSync(log.path).includes("stopped by SIGSTOP");
  const struck = waitUntil(
    "reptyr to be stopped",
    () => isStopped() || (subject.isMoved() || terminal.child.status !== undefined) && "moved",
  );
  if (struck === "moved" && !isStopped()) {
    if (terminal.child.status === undefined) subject.assertAnswersOn(terminal);
    return { outcome: "not frozen", message: terminal.output };
  }
  const frozen = cgroup.freeze();
  const since = performance.now();
  let seconds: number | undefined;
  {
    using _frozen = frozen;
    const reptyr = descendantsOf(terminal.pid).find((pid) => readStat(pid)?.comm === "reptyr")!;
    using handle = new ProcessHandle(reptyr);
    handle.signal(SIGCONT);
    waitUntil(
      "reptyr to end, or to serve",
      () => terminal.child.status !== undefined || SERVING.test(terminal.output),
    );
    seconds = (performance.now() - since) / 1000;
  }
  return { ...ended(), seconds };

  function ended(): FrozenTrial {
    if (terminal.child.status === undefined) {
      subject.assertAnswersOn(terminal);
      return { outcome: "moved" };
    }
    terminal.expectEof();
    const lines = linesOf(terminal.output).filter((line) => !ASIDE.test(line));
    assertEquals(terminal.child.status, { kind: "exited", status: 1 }, terminal.describe());
    assertMessage(lines);
    assertEquals(settingsOf(terminal), run.settings, "The user's terminal is not as it was");
    waitUntil("all to be let go", () =>
      subject.pids.every((pid) => {
        const stat = readStat(pid);
        return stat === undefined || !isLive(stat) || readStatus(pid)?.tracerPid === 0;
      }));
    const [target] = subject.pids;
    const outcome = waitUntil("the target to be something", () => {
      const stat = readStat(target!);
      if (stat === undefined || !isLive(stat)) return "hung up";
      if (subject.isJob && stat.state === "T") return "as before";
      if (String(readStatus(target!)?.sigBlocked) !== before[0]!.sets[0]) return undefined;
      if (name === "steal") return subject.isMoved() ? "hung up" : "as before";
      if (stat.ttyNr !== 0) return "as before";
      return subject.isJob && !subject.handle.waitForEnd(2000) && readStat(target!)?.ttyNr === 0 &&
        "without terminal";
    });
    if (outcome === "as before") assertAsBefore(subject, before, fault);
    if (outcome === "without terminal") assertWhole(subject, before, fault);
    assert(outcome !== undefined);
    return { outcome, message: lines.join(" | ") };
  }
}
