/** One subject, and some storms over it, one after the other. */
import { SIGCONT, SIGKILL, SIGWINCH } from "../../src/ffi/constants.ts";
import { readStat } from "../../src/proc/stat.ts";
import { PROMPT } from "../../tests/support/e2e_target.ts";
import { struckCalls } from "../../tests/support/fault_injection.ts";
import { untilIdle } from "../../tests/support/steal.ts";
import { DEFAULT_TIMEOUT_MS, type Terminal, waitUntil } from "../../tests/support/terminal.ts";
import { isDead, terminalOf } from "./facts.ts";
import { type Circumstances, type Facts, judge, standing, type Verdict } from "./judge.ts";
import { COUNTED_SIGNAL, SIGCHLD, SIGURG, SIGUSR1 } from "./page.ts";
import type { Random } from "./random.ts";
import { Service } from "./service.ts";
import { chooseStorm, isOutOfReach, logIn, startOf, type Storm } from "./storms.ts";
import { type Ground, Subject } from "./subject.ts";
import { errorText, type Tally, type Where } from "./tally.ts";

const TO_TARGET = [SIGWINCH, SIGCONT, SIGCHLD, SIGURG, SIGUSR1, COUNTED_SIGNAL];
/** Others end it. */
const TO_REPTYR = [SIGWINCH, SIGCONT, SIGCHLD, SIGURG];

/** How long what was worked on may take to be as before. */
const SETTLE_MS = DEFAULT_TIMEOUT_MS / 2;

/** So many looks show the same of what settles by itself. */
const LOOKS = 5;

/** Where the subject is, and who shows it to a user. */
interface Place {
  /** `/dev/pts/N`. */
  readonly name: string;
  /** On which what is typed for it is typed; undefined for a terminal that has hung up. */
  readonly terminal: Terminal | undefined;
  readonly service: Service | undefined;
}

type Outcome = "moved" | "refused" | "as before" | "hung up" | "without terminal";

export interface RoundOptions {
  readonly seed: number;
  readonly round: number;
  readonly steps: number;
  readonly random: Random;
  readonly ground: Ground;
  readonly tally: Tally;
  /** Called with each line that is worth one. */
  readonly onStep: (line: string) => void;
}

export class Round implements Disposable {
  readonly #options: RoundOptions;
  readonly #subject: Subject;
  readonly #stack = new DisposableStack();
  #place: Place;
  #before: readonly Facts[];
  #sent = new Map<number, Map<number, number>>();
  #asked = 0;

  constructor(options: RoundOptions) {
    this.#options = options;
    this.#subject = this.#stack.use(new Subject(options.random, options.ground));
    const { old, target } = this.#subject;
    this.#place = { name: terminalOf(target), terminal: old, service: undefined };
    this.#before = this.#subject.facts();
  }

  /** All steps, or those up to the first that harms. */
  run(): void {
    const { seed, round, steps, random, tally, onStep } = this.#options;
    for (let step = 1; step <= steps; step++) {
      const storm = chooseStorm(random);
      const subject = this.#subject.name;
      const where: Where = { seed, round, step, subject, storm: storm.text };
      let harms: readonly string[];
      try {
        harms = this.#step(storm);
      } catch (error) {
        harms = [`broken off: ${errorText(error)}`];
      }
      for (const what of harms) tally.harmed({ ...where, what });
      onStep(`round ${round}, ${subject}, step ${step}: ${storm.text}: ${this.#told}`);
      if (harms.length > 0 || this.#isServedByStranger) return;
    }
  }

  #told = "";

  /**
   * A reptyr that strace(1) or Deno runs is not believed by the next one, which asks for the same name and no seccomp(2)
   * filter. Of those that are not below the target only its record tells.
   */
  get #isServedByStranger(): boolean {
    return this.#subject.mode === "family" && this.#place.service?.isStranger === true;
  }

  /** What harm the storm has done. */
  #step(storm: Storm): string[] {
    this.#told = "broken off";
    this.#sent = new Map(this.#subject.pids.map((pid) => [pid, new Map()]));
    if (storm.kind === "kill" && "served" in storm.at) {
      this.#told = "nobody serves";
      if (this.#place.service === undefined || this.#place.terminal === undefined) return [];
      this.#place.service.signal(SIGKILL);
      return this.#afterKill(this.#place.service, storm);
    }
    const log = logIn(this.#options.ground.folder);
    Deno.writeTextFileSync(log, "");
    const service = this.#stack.use(new Service(this.#subject.target, startOf(storm, log)));
    if (storm.kind === "kill" && "microseconds" in storm.at) {
      service.killWithin(this.#subject.target, storm.at.microseconds);
      return this.#afterKill(service, storm);
    }
    const ended = waitUntil("the end of a move", () => {
      this.#sendSignals(service);
      return service.hasEnded ? "ended" : this.#isMoved() && "moved";
    });
    if (storm.kind === "kill") {
      // Its last requests may be still to come.
      if (ended === "moved") service.signal(SIGKILL);
      return this.#afterKill(service, storm);
    }
    return ended === "moved"
      ? this.#afterMove(service, storm, log)
      : this.#afterRefusal(service, storm, log);
  }

  /** On another terminal than before, and let go. */
  #isMoved(): boolean {
    const { target, isFree } = this.#subject;
    const now = terminalOf(target);
    const { session, ttyNr } = readStat(target) ?? {};
    return isFree && !isDead(now) && now !== this.#place.name && session === target && ttyNr !== 0;
  }

  #afterMove(service: Service, storm: Storm, log: string): string[] {
    const struck = struckCalls(log).length > 0;
    this.#count(storm, "moved", struck);
    const before = this.#place;
    this.#place = {
      name: terminalOf(this.#subject.target),
      terminal: service.terminal,
      service,
    };
    const wasKilled = storm.kind === "fault" && isOutOfReach(storm.fault);
    return [...this.#leave(before), ...this.#look(wasKilled)];
  }

  #afterRefusal(service: Service, storm: Storm, log: string): string[] {
    const struck = struckCalls(log).length > 0;
    this.#count(storm, "refused", struck);
    if (!struck) this.#options.tally.refused(service.message);
    const wasKilled = storm.kind === "fault" && isOutOfReach(storm.fault);
    const wrong = service.wrongEnd(1);
    if (wasKilled) this.#findPlace();
    const wasInBackground = this.#bringToForeground();
    return [...wrong, ...this.#look(wasKilled, wasInBackground)];
  }

  #afterKill(service: Service, storm: Storm): string[] {
    const { kind } = service.terminal.expectExit();
    if (kind === "exited") {
      return this.#afterRefusal(service, storm, logIn(this.#options.ground.folder));
    }
    const before = this.#place;
    this.#findPlace();
    this.#bringToForeground();
    const { target } = this.#subject;
    const hadTerminal = this.#before.find(({ pid }) => pid === target)!.hasTerminal;
    const isBereft = hadTerminal && readStat(target)?.ttyNr === 0;
    const outcome = this.#place.terminal === undefined
      ? "hung up"
      : isBereft
      ? "without terminal"
      : "as before";
    this.#count(storm, outcome, true);
    const left = before.service !== this.#place.service ? this.#leave(before) : [];
    return [...left, ...this.#look(true)];
  }

  /** Where they are once they have undone all that they undo: where they were, or on a terminal that has hung up. */
  #findPlace(): void {
    const { target } = this.#subject;
    let before = "";
    let same = 0;
    const name = waitUntil("the subject to be let go and to come to rest", () => {
      const now = terminalOf(target);
      const hasMasks = this.#subject.facts().every(({ pid, masks }) =>
        this.#subject.firstMasks(pid).every((mask) => masks.includes(mask))
      );
      const isResting = this.#subject.isFree && (hasMasks || this.#isStopped());
      same = isResting && now === before ? same + 1 : 0;
      before = now;
      return same >= LOOKS && now;
    });
    if (name !== this.#place.name) this.#place = { name, terminal: undefined, service: undefined };
  }

  #isStopped(): boolean {
    return readStat(this.#subject.target)?.state === "T";
  }

  /** A shell may have seen its job stop, and have its terminal back: then it is asked for the job. Whether it had. */
  #bringToForeground(): boolean {
    const { shape, old, target } = this.#subject;
    if (shape !== "foreground job" || this.#place.terminal !== old) return false;
    // It may have been told just now.
    untilIdle(old.pid);
    const stat = readStat(target);
    const isInForeground = () => readStat(target)?.tpgid === readStat(target)?.pgrp;
    if (stat?.session !== readStat(old.pid)?.session || isInForeground()) return false;
    old.expect("Stopped");
    old.expect(PROMPT);
    old.line("fg");
    waitUntil("the job to be in the foreground", isInForeground);
    return true;
  }

  /** Nobody is on the terminal of `place` any more: a reptyr that served there ends, and says so. */
  #leave({ service }: Place): string[] {
    return service === undefined || service.terminal.child.status?.kind === "signaled"
      ? []
      : service.wrongEnd(0);
  }

  /** Harm, looked for until there is none; what is known is counted. */
  #look(wasKilled: boolean, wasInBackground = false): string[] {
    const { tally } = this.#options;
    const stuck = this.#findStanding();
    let verdicts: readonly Verdict[] = [];
    try {
      waitUntil("no harm", () => {
        verdicts = this.#verdicts(wasKilled, wasInBackground);
        return verdicts.every(({ harms }) => harms.length === 0);
      }, { timeoutMs: SETTLE_MS });
    } catch {
      // What was last found is told.
    }
    for (const { known } of verdicts) known.forEach((what) => tally.known(what));
    const harms = verdicts.flatMap(({ harms }, index) =>
      harms.map((harm) => `process ${index + 1}: ${harm}`)
    );
    if (stuck.length === 0 && harms.length === 0) this.#answer();
    this.#before = this.#subject.facts();
    return [...stuck, ...harms];
  }

  #verdicts(wasKilled: boolean, wasInBackground: boolean): Verdict[] {
    const now = this.#subject.facts();
    return this.#before.map((before) => {
      const how: Circumstances = {
        wasKilled,
        wasInBackground,
        place: this.#place.terminal === undefined ? "dead" : this.#place.name,
        sent: this.#sent.get(before.pid)!,
        isRestless: this.#subject.isRestless,
      };
      const after = now.find(({ pid }) => pid === before.pid)!;
      return judge({ ...before, masks: this.#subject.firstMasks(before.pid) }, after, how);
    });
  }

  /** Threads that do not go on. */
  #findStanding(): string[] {
    const before = this.#subject.pages();
    const find = () =>
      this.#subject.pages().flatMap((page, index) =>
        standing(before[index]!, page).map((what) => `process ${index + 1}: stuck: ${what}`)
      );
    try {
      waitUntil("all to go on", () => find().length === 0);
      return [];
    } catch {
      return find();
    }
  }

  /** The first process reads, where its terminal works and no shell reads there, too. */
  #answer(): void {
    const { terminal } = this.#place;
    const { shape, old, mode, pids } = this.#subject;
    const isShells = shape === "foreground job" && terminal === old &&
      readStat(pids[0]!)?.tpgid !== readStat(pids[0]!)?.pgrp;
    if (terminal === undefined || isShells) return;
    this.#asked++;
    terminal.line(`hello ${this.#asked}`);
    terminal.expect(`${mode}: hello ${this.#asked}\r\n`);
  }

  /** Meanwhile, to the processes that are there. */
  #sendSignals(service: Service): void {
    const { random, tally } = this.#options;
    const { pids } = this.#subject;
    if (random.chance(0.5)) return;
    tally.count("signals");
    if (random.chance(0.25)) {
      const to = random.chance(0.5) ? service : this.#place.service;
      to?.signal(random.pick(TO_REPTYR));
      return;
    }
    const pid = random.pick(pids);
    const signal = random.pick(TO_TARGET);
    const sent = this.#sent.get(pid)!;
    this.#subject.handle(pid).signal(signal);
    sent.set(signal, (sent.get(signal) ?? 0) + 1);
  }

  #count(storm: Storm, outcome: Outcome, struck: boolean): void {
    const { tally } = this.#options;
    this.#told = outcome;
    if (outcome === "moved") tally.count("moves");
    if (storm.kind === "kill" && outcome !== "refused") {
      tally.count("kills");
      tally.count(`kills: ${outcome}`);
    }
    if (storm.kind === "fault" && struck) {
      tally.count("faults");
      tally.count(`faults: ${outcome}`);
    }
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }
}
