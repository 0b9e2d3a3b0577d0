/** Who was harmed by a step, from what was known of each process before and after it. Pure. */
import { CALLS, COUNTED_SIGNAL, type Page, SIGUSR1 } from "./page.ts";

/** One process at one time. */
export interface Facts {
  readonly pid: number;
  readonly page: Page;
  /** States of its threads, by proc_pid_stat(5). Empty: it has ended. */
  readonly states: string;
  /** PIDs of its tracers, 0 apart. */
  readonly tracers: readonly number[];
  /** Of each thread that stays: `TID: blocked signals`. */
  readonly masks: readonly string[];
  /** What it ignores and what it handles, SIGHUP apart: a job's is shielded as long as its shell lives. */
  readonly dispositions: string;
  /** All descriptors but those of terminals. */
  readonly files: readonly OpenFile[];
  /** The terminals that it has open, by their names, each once; and how many descriptors of them. */
  readonly terminals: readonly string[];
  readonly terminalFds: number;
  readonly mappings: readonly string[];
  readonly hasTerminal: boolean;
  /** Of its terminal; undefined of a dead one. */
  readonly settings: string | undefined;
}

export interface OpenFile {
  readonly text: string;
  readonly closesOnExec: boolean;
}

export interface Circumstances {
  /** reptyr could not put things right itself: it was killed, or ptrace(2) failed for good. */
  readonly wasKilled: boolean;
  /**
   * The move was refused after the old shell had seen the job stop, and the job, in its background by then, was stopped by
   * SIGTTIN when it read the terminal. Calls return EINTR after such a stop: signal(7).
   */
  readonly wasInBackground: boolean;
  /** Where the process is now: a terminal that works, or one that has hung up. */
  readonly place: string | "dead";
  /** Signals that were sent to it since `before`, by number. */
  readonly sent: ReadonlyMap<number, number>;
  /** Whether threads and children come and go: then only what stays is compared. */
  readonly isRestless: boolean;
}

export interface Verdict {
  readonly harms: readonly string[];
  /** What docs/kill-safety.md#what-is-not-given-back says of a killed reptyr. */
  readonly known: readonly string[];
}

const SIGHUP = 1;

/** So many descriptors a killed reptyr may leave open. */
const LEFT_OPEN = 4;

/** What has become of one process. */
export function judge(before: Facts, after: Facts, how: Circumstances): Verdict {
  if (after.states === "") return { harms: ["died"], known: [] };
  const harms: string[] = [];
  const known: string[] = [];
  const excused = how.wasKilled ? known : harms;
  if (/[Tt]/.test(after.states)) harms.push(`stuck stopped: ${after.states}`);
  if (after.tracers.length > 0) harms.push(`tracer left: ${after.tracers.join(" ")}`);
  judgeCalls(before.page, after.page, harms, how.wasInBackground ? known : excused);
  judgeSignals(before.page, after.page, how, harms);
  if (after.page.childStatus !== undefined) {
    harms.push(`its child died: wait status 0x${after.page.childStatus.toString(16)}`);
  }
  if (after.page.corrupt > before.page.corrupt) harms.push("registers: a wrong result");
  for (const mask of missing(before.masks, after.masks)) {
    harms.push(`wrong mask: ${mask} before, ${maskOf(mask, after.masks)} now`);
  }
  if (before.dispositions !== after.dispositions) {
    harms.push(`wrong dispositions: ${before.dispositions} before, ${after.dispositions} now`);
  }
  judgeDescriptors(before, after, how, harms, excused);
  judgeMappings(before, after, how, harms, excused);
  if (before.hasTerminal && !after.hasTerminal && how.place !== "dead") {
    excused.push("without controlling terminal");
  }
  if (how.place !== "dead" && before.settings !== undefined && after.settings !== before.settings) {
    harms.push(`wrong settings: ${before.settings} before, ${after.settings} now`);
  }
  return { harms, known };
}

function judgeCalls(before: Page, after: Page, harms: string[], excused: string[]): void {
  CALLS.forEach((name, index) => {
    const [then, now] = [before.calls[index]!, after.calls[index]!];
    if (now.interrupted > then.interrupted) excused.push(`stray EINTR: ${name}`);
    if (now.failed > then.failed) harms.push(`error ${now.error}: ${name}`);
  });
}

function judgeSignals(before: Page, after: Page, how: Circumstances, harms: string[]): void {
  const sent = (number: number) => how.sent.get(number) ?? 0;
  const got = (number: number) => after.signals[number]! - before.signals[number]!;
  if (got(COUNTED_SIGNAL) !== sent(COUNTED_SIGNAL)) {
    harms.push(`lost signal: ${got(COUNTED_SIGNAL)} of ${sent(COUNTED_SIGNAL)} handled`);
  }
  // While one is pending others are one with it.
  if (got(SIGUSR1) > sent(SIGUSR1) || (sent(SIGUSR1) > 0 && got(SIGUSR1) === 0)) {
    harms.push(`lost signal: ${got(SIGUSR1)} of ${sent(SIGUSR1)} SIGUSR1`);
  }
  if (got(SIGHUP) > 0 && how.place !== "dead") harms.push("stray SIGHUP");
}

function judgeDescriptors(
  before: Facts,
  after: Facts,
  how: Circumstances,
  harms: string[],
  excused: string[],
): void {
  const texts = (facts: Facts) => facts.files.map(({ text }) => text);
  for (const file of missing(texts(before), texts(after))) harms.push(`wrong fd: no ${file}`);
  const more = after.files.filter(({ text }) => !texts(before).includes(text));
  for (const { text, closesOnExec } of more) {
    (closesOnExec && more.length <= LEFT_OPEN ? excused : harms).push(`fd left: ${text}`);
  }
  const left = after.terminalFds - before.terminalFds;
  if (left < 0) harms.push(`wrong fd: ${-left} of a terminal are gone`);
  if (left > 0) (left <= LEFT_OPEN ? excused : harms).push(`fd left: ${left} of a terminal`);
  if (how.place === "dead") return;
  // One that was left open before may lead to a terminal that has hung up.
  const strays = after.terminals.filter((name) =>
    name !== how.place && !(isHungUp(name) && before.terminals.includes(name))
  );
  if (!after.terminals.includes(how.place)) harms.push(`wrong fd: none on ${how.place}`);
  if (strays.length > 0) {
    (left > 0 ? excused : harms).push(`wrong fd: ${strays.join(", ")}, not ${how.place}`);
  }
}

function isHungUp(terminal: string): boolean {
  return terminal.endsWith(" (deleted)");
}

function judgeMappings(
  before: Facts,
  after: Facts,
  how: Circumstances,
  harms: string[],
  excused: string[],
): void {
  for (const one of missing(before.mappings, after.mappings)) harms.push(`no mapping ${one}`);
  if (how.isRestless) return;
  for (const one of missing(after.mappings, before.mappings)) excused.push(`mapping left: ${one}`);
}

/** Those of `wanted` that `found` has not. */
function missing(wanted: readonly string[], found: readonly string[]): string[] {
  const all = new Set(found);
  return wanted.filter((one) => !all.has(one));
}

function maskOf(mask: string, masks: readonly string[]): string {
  const tid = mask.split(":")[0]!;
  return masks.find((one) => one.startsWith(`${tid}:`)) ?? "no thread";
}

/** Of its threads those that have not gone on since, by what they do. The first call waits for what is typed. */
export function standing(before: Page, now: Page): string[] {
  const calls = CALLS.filter((_, index) =>
    index > 0 && now.calls[index]!.returned <= before.calls[index]!.returned
  );
  return now.rounds > before.rounds ? calls : [...calls, "computing"];
}
