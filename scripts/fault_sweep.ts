/**
 * Every call of a move fails once: `deno run -A scripts/fault_sweep.ts [--help]`.
 *
 * tests/e2e/fault_sweep_test.ts runs a sample of it.
 */
import { parseArgs } from "@std/cli/parse-args";
import { lacks } from "../tests/support/capabilities.ts";
import {
  describeFault,
  DESPITE_INSISTING,
  type Fault,
  FOR_GOOD,
} from "../tests/support/fault_injection.ts";
import {
  failing,
  killed,
  type SubjectName,
  SUBJECTS,
  type Trial,
} from "../tests/support/fault_trial.ts";
import { HANGUP_SHAPES, type HangupShape, hungUpAfter } from "../tests/support/hangup_trial.ts";
import { SHAPES } from "../tests/support/e2e_target.ts";
import { FLAGS_32 } from "../tests/support/programs.ts";
import { killedMoving, KILLING_FILTERS } from "../tests/support/sandbox_trial.ts";

const HELP = `Let calls of a move fail, one after the other, and look at what was to be moved

  --subject NAME    ${SUBJECTS.join(", ")}; all of them by default
  --side SIDE       own: calls of reptyr (strace); injected: calls that it makes in a process' name
  --call NAME       the system call, ptrace by default; * for all injected ones
  --error NAME      EPERM by default; SIGKILL ends reptyr at the call
  --width N         how many in a row fail: 1, ${FOR_GOOD} (the call and its repetition), ${DESPITE_INSISTING} (three tries), 0 for all from then on
  --from N --to N --step N   which calls; to the end by default
  --filter NAME     instead of --subject: kill reptyr at its ptrace requests while it moves a program under a seccomp
                    filter: all, or one of ${KILLING_FILTERS.join(", ")}
  --bits 32         that program
  --hangup SHAPE    instead of --subject: hang the old terminal up right after the calls; all, or one of
                    ${HANGUP_SHAPES.join(", ")}
  --quiet           say only what went wrong, and the sums`;

/** Past the last call of a kind that a move makes: so many in a row that were not struck. */
const END = 3;

interface Sweep {
  readonly side: Fault["side"];
  readonly call: string;
  readonly error: string;
  readonly width: number;
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly quiet: boolean;
}

/** How many trials have failed. */
function sweep(subject: SubjectName, how: Sweep): number {
  const sums = new Map<string, number>();
  let failures = 0;
  let beyond = 0;
  const { side, call, error, width } = how;
  for (let first = how.from; first <= how.to && beyond < END; first += how.step) {
    const last = width === 0 ? Infinity : first + width - 1;
    const fault: Fault = { side, call, error, first, last };
    const what = `${subject}: ${describeFault(fault)}`;
    try {
      const trial = error === "SIGKILL" ? killed(subject, fault) : failing(subject, fault);
      sums.set(trial.outcome, (sums.get(trial.outcome) ?? 0) + 1);
      beyond = trial.outcome === "not struck" ? beyond + 1 : 0;
      if (!how.quiet) console.log(`${what}: ${outcomeText(trial)}`);
    } catch (caught) {
      failures++;
      console.log(`${what}: WRONG\n${caught instanceof Error ? caught.stack : caught}`);
    }
  }
  const text = [...sums].map(([outcome, count]) => `${count} ${outcome}`).join(", ");
  console.log(`${subject}: ${side} ${call} ${error} width ${width}: ${text}, ${failures} wrong`);
  return failures;
}

interface SandboxSweep extends Pick<Sweep, "from" | "to" | "step" | "quiet"> {
  readonly flags: readonly string[];
}

/** How many programs their filter has ended otherwise than in a call that it forbids. */
function sweepSandbox(filter: string, { from, to, step, quiet, flags }: SandboxSweep): number {
  let failures = 0;
  for (const shape of SHAPES) {
    const sums = new Map<string, number>();
    let beyond = 0;
    for (let number = from; number <= to && beyond < END; number += step) {
      const what = `${filter}, ${shape}: request ${number}`;
      try {
        const { outcome, inForbiddenCall } = killedMoving(filter, shape, number, flags);
        const isWrong = outcome === "killed by its filter" && !inForbiddenCall;
        const text = `${outcome}${inForbiddenCall ? ", about to make a forbidden call" : ""}`;
        sums.set(text, (sums.get(text) ?? 0) + 1);
        beyond = outcome === "not struck" ? beyond + 1 : 0;
        if (isWrong) failures++;
        if (!quiet || isWrong) console.log(`${what}: ${isWrong ? "WRONG: " : ""}${text}`);
      } catch (caught) {
        failures++;
        console.log(`${what}: WRONG\n${caught instanceof Error ? caught.stack : caught}`);
      }
    }
    const text = [...sums].map(([outcome, count]) => `${count} ${outcome}`).join("; ");
    console.log(`${filter}, ${shape}: ${text}; ${failures} wrong`);
  }
  return failures;
}

/** How many moves of which the old terminal hung up in the middle went wrong. */
function sweepHangup(
  shape: HangupShape,
  { call, from, to, step, quiet }: Pick<Sweep, "call" | "from" | "to" | "step" | "quiet">,
): number {
  const sums = new Map<string, number>();
  let failures = 0;
  let beyond = 0;
  for (let number = from; number <= to && beyond < END; number += step) {
    const what = `${shape}: hung up after ${call} ${number}`;
    try {
      const { outcome, message } = hungUpAfter(shape, call, number);
      sums.set(outcome, (sums.get(outcome) ?? 0) + 1);
      beyond = outcome === "not struck" ? beyond + 1 : 0;
      if (!quiet) console.log(`${what}: ${outcome}${message === undefined ? "" : ` - ${message}`}`);
    } catch (caught) {
      failures++;
      console.log(`${what}: WRONG\n${caught instanceof Error ? caught.stack : caught}`);
    }
  }
  const text = [...sums].map(([outcome, count]) => `${count} ${outcome}`).join(", ");
  console.log(`${shape}: hung up after ${call}: ${text}, ${failures} wrong`);
  return failures;
}

function outcomeText({ outcome, struck, message }: Trial): string {
  const calls = struck.length === 0 ? "" : ` at ${struck[0]!.replace(/^\d+ +/, "")}`;
  return `${outcome}${calls}${message === undefined ? "" : ` - ${message}`}`;
}

function main(args: string[]): number {
  const options = parseArgs(args, {
    string: [
      "bits",
      "filter",
      "hangup",
      "subject",
      "side",
      "call",
      "error",
      "width",
      "from",
      "to",
      "step",
    ],
    boolean: ["help", "quiet"],
  });
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const subjects = SUBJECTS.filter((name) =>
    [undefined, name].includes(options.subject as SubjectName)
  ).filter((name) => {
    const why = name.endsWith("32") ? lacks("ia32") : undefined;
    if (why !== undefined) console.log(`Skipped: ${name}: ${why}`);
    return why === undefined;
  });
  const how: Sweep = {
    side: options.side === "injected" ? "injected" : "own",
    call: options.call ?? "ptrace",
    error: options.error ?? "EPERM",
    width: Number(options.width ?? FOR_GOOD),
    from: Number(options.from ?? 1),
    to: Number(options.to ?? Infinity),
    step: Number(options.step ?? 1),
    quiet: options.quiet,
  };
  const filters = KILLING_FILTERS.filter((name) => ["all", name].includes(options.filter ?? ""));
  if (options.filter !== undefined) {
    const flags = options.bits === "32" ? FLAGS_32 : [];
    return filters.map((name) => sweepSandbox(name, { ...how, flags })).some((n) => n > 0) ? 1 : 0;
  }
  if (options.hangup !== undefined) {
    const shapes = HANGUP_SHAPES.filter((name) => ["all", name].includes(options.hangup!));
    return shapes.map((shape) => sweepHangup(shape, how)).some((n) => n > 0) ? 1 : 0;
  }
  return subjects.map((subject) => sweep(subject, how)).some((failures) => failures > 0) ? 1 : 0;
}

if (import.meta.main) Deno.exit(main(Deno.args));
