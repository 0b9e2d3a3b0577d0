/**
 * One move in the course of which something fails, or reptyr is killed, and what has become of those who were moved: they
 * are either all as they were, or all moved.
 */
import { assert, assertEquals } from "@std/assert";
import { O_CLOEXEC } from "../../src/ffi/constants.ts";
import { readFds } from "../../src/proc/fds.ts";
import { isLive, readStat } from "../../src/proc/stat.ts";
import { readStatus } from "../../src/proc/status.ts";
import { ProcessHandle } from "./child.ts";
import { Target } from "./e2e_target.ts";
import {
  describeFault,
  DESPITE_INSISTING,
  type Fault,
  injecting,
  struckCalls,
} from "./fault_injection.ts";
import { assertMessage, linesOf, settingsOf, Untouched, WIDE } from "./input_run.ts";
import {
  living,
  PROMPT,
  type Shape,
  startOnTerminal,
  untilForeground,
  untilRunning,
} from "./on_terminal.ts";
import { snapshot } from "./leftovers.ts";
import { FLAGS_32, victim } from "./programs.ts";
import { BASH, Emulator, mastersOf, untilIdle } from "./steal.ts";
import { Terminal, waitUntil } from "./terminal.ts";
import { untilAllBlocked } from "./victim.ts";

/** What reptyr is asked to move; with 32: of 32-bit programs. */
export const SUBJECTS = [
  "leader",
  "job",
  "family",
  "steal",
  "leader32",
  "job32",
  "family32",
] as const;

export type SubjectName = (typeof SUBJECTS)[number];

export interface Subject extends Disposable {
  /** Arguments for reptyr. */
  readonly args: readonly (string | number)[];
  /** All that it works on, the target first. */
  readonly pids: readonly number[];
  readonly old: Terminal;
  isMoved(): boolean;
  /** All of them read and write on `terminal`. */
  assertAnswersOn(terminal: Terminal): void;
  /** Whether a shell has it as a job, which it may have seen stop. */
  readonly isJob: boolean;
  /** The target. */
  readonly handle: ProcessHandle;
}

/** A {@linkcode Subject} by its name. `isPatient`: whether an interrupted call does not matter to it, which nobody can put right who is killed. */
export function start(name: SubjectName, isPatient = false): Subject {
  switch (name) {
    case "leader":
    case "leader32":
      return program("session leader", "soak", isPatient ? ["patient"] : [], flagsOf(name));
    case "job":
    case "job32":
      return program("foreground job", "command", [], flagsOf(name));
    case "family":
    case "family32":
      return family(flagsOf(name));
    case "steal":
      return stolen();
  }
}

function flagsOf(name: SubjectName): readonly string[] {
  return name.endsWith("32") ? FLAGS_32 : [];
}

function onNewTerminal(pid: number, pids: readonly number[]): () => boolean {
  const before = readStat(pid)!.ttyNr;
  return () => {
    const { ttyNr, session, tpgid } = readStat(pid) ?? {};
    return ttyNr !== 0 && ttyNr !== before && session === pid && tpgid === pid && areFree(pids);
  };
}

/** Whether nobody traces any of them. */
function areFree(pids: readonly number[]): boolean {
  return pids.every((pid) => readStatus(pid)?.tracerPid === 0);
}

/** One program: threads, epoll and a child, or none of these. */
function program(
  shape: Shape,
  name: "soak" | "command",
  args: readonly string[],
  flags: readonly string[],
): Subject {
  const target = Target.start(
    shape,
    [victim(name, flags), ...args],
    (terminal) => terminal.expect("ready"),
  );
  untilAllBlocked(target.pid);
  const children = target.terminal.child.pid === target.pid
    ? untilRunning(
      target.terminal,
      name === "soak" ? [comm(target.pid), comm(target.pid)] : [
        comm(target.pid),
      ],
    )
    : [target.pid];
  return {
    args: [target.pid],
    pids: children,
    old: target.terminal,
    isMoved: onNewTerminal(target.pid, children),
    assertAnswersOn(terminal) {
      terminal.line("hello");
      terminal.expect("line: hello");
    },
    isJob: shape === "foreground job",
    handle: target.handle,
    [Symbol.dispose]: () => target[Symbol.dispose](),
  };
}

function comm(pid: number): string {
  return readStat(pid)!.comm;
}

/** A parent and two children, the job of an interactive shell. */
function family(flags: readonly string[]): Subject {
  using stack = new DisposableStack();
  const path = victim("jobs_family", flags);
  const old = stack.use(startOnTerminal("foreground job", [path, "plain", "plain"]));
  for (const what of ["child1 ready", "child2 ready"]) old.expectScreen(what);
  const name = path.slice(path.lastIndexOf("/") + 1).slice(0, 15);
  const pids = untilRunning(old, [name, name, name]);
  untilForeground(pids[0]!);
  const [handle] = pids.map((pid) => {
    untilAllBlocked(pid);
    const handle = stack.use(new ProcessHandle(pid));
    stack.defer(() => handle.end());
    return handle;
  });
  const owned = stack.move();
  return {
    args: [pids[0]!],
    pids,
    old,
    isMoved: onNewTerminal(pids[0]!, pids),
    assertAnswersOn(terminal) {
      terminal.line("all hello");
      for (const child of ["child1", "child2"]) terminal.expectScreen(`${child}: hello`);
    },
    isJob: true,
    handle: handle!,
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** A shell in a terminal emulator that waits by epoll. */
function stolen(): Subject {
  const emulator = Emulator.start("epoll", [], BASH);
  const { window, shell } = emulator;
  const { ttyIndex } = mastersOf(window.pid)[0]!.fdinfo;
  const { handle } = window.child;
  let asked = 0;
  return {
    args: ["-T", shell],
    pids: [window.pid, shell],
    old: window,
    isMoved: () =>
      areFree([window.pid]) &&
      mastersOf(window.pid).every(({ fdinfo }) => fdinfo.ttyIndex !== ttyIndex),
    assertAnswersOn(terminal) {
      const number = ++asked * 1000;
      terminal.line(`echo answer $((${number} + 1))`);
      terminal.expect(`answer ${number + 1}`);
    },
    isJob: false,
    handle,
    [Symbol.dispose]: () => emulator[Symbol.dispose](),
  };
}

/** What a move does not change. A terminal that was taken has something else in its emulator's descriptors. */
function lastingFacts(pid: number): string {
  const { mappings, threads, children } = snapshot(pid).facts;
  const descriptors = (readFds(pid, pid) ?? []).map(({ fd, fdinfo }) =>
    [fd, fdinfo.flags & O_CLOEXEC, ...fdinfo.epoll.map(({ tfd }) => tfd).sort()].join(" ")
  );
  return JSON.stringify({ mappings, descriptors, threads, children }, undefined, 1);
}

export interface Trial {
  /** `hung up`, `without terminal`: of a reptyr that was killed, see killed(). */
  readonly outcome:
    | "not struck"
    | "refused"
    | "moved"
    | "as before"
    | "without terminal"
    | "hung up";
  /** The calls that failed. */
  readonly struck: readonly string[];
  readonly message?: string;
}

/**
 * Let `fault` happen in a move. It must end in one message and all as it was, or in a finished move. Throws when
 * it does not.
 */
export function failing(name: SubjectName, fault: Fault): Trial {
  using log = new LogFile();
  using subject = start(name, isOutOfReach(fault));
  const untouched = subject.pids.map((pid) => new Untouched(pid));
  const before = subject.pids.map(factsOf);
  const lasting = subject.pids.map(lastingFacts);
  using run = startReptyr(subject, fault, log.path);
  const { terminal } = run;
  const outcome = waitUntil(
    `the end of a move with ${describeFault(fault)}`,
    () => terminal.child.status !== undefined ? "refused" : subject.isMoved() && "moved",
  );
  if (outcome === "refused") {
    terminal.expectEof();
    const lines = linesOf(terminal.output).filter((line) => !line.startsWith("reptyr: warning: "));
    assertEquals(terminal.child.status, { kind: "exited", status: 1 }, terminal.describe());
    assertMessage(lines);
    assertEquals(settingsOf(terminal), run.settings, "The user's terminal is not as it was");
    if (isOutOfReach(fault)) {
      if (fault.last === Infinity && !living(subject.pids).includes(subject.pids[0]!)) {
        assert(/has hung up|has ended/.test(lines.join()), lines.join("\n"));
        return { outcome: "hung up", struck: struckCalls(log.path), message: lines[0]! };
      }
      if (readStat(subject.pids[0]!)?.ttyNr === 0) {
        assert(!/All is as it was/.test(lines.join()), lines.join("\n"));
        return { outcome: "without terminal", struck: struckCalls(log.path), message: lines[0]! };
      }
      assertAsBefore(subject, before, fault);
    } else {
      bringToForeground(subject);
      for (const one of untouched) one.assert();
      subject.assertAnswersOn(subject.old);
    }
    return { outcome, struck: struckCalls(log.path), message: lines[0]! };
  }
  if (!isOutOfReach(fault)) assertLasts(subject, lasting, fault);
  subject.assertAnswersOn(terminal);
  const struck = struckCalls(log.path);
  return { outcome: struck.length > 0 ? "moved" : "not struck", struck };
}

function assertLasts({ pids }: Subject, wanted: readonly string[], fault: Fault): void {
  pids.forEach((pid, index) => {
    const same = () => lastingFacts(pid) === wanted[index];
    try {
      waitUntil("the process to be as before", same, { timeoutMs: 5000 });
    } catch {
      assertEquals(lastingFacts(pid), wanted[index], `${describeFault(fault)}: process ${pid}`);
    }
  });
}

/** Whether the processes bring themselves back, as when reptyr is killed: docs/kill-safety.md says what then stays. */
function isOutOfReach({ side, call, first, last }: Fault): boolean {
  return side === "own" && call === "ptrace" && last - first + 1 >= DESPITE_INSISTING;
}

/**
 * Kill reptyr in a move. It must end with all as it was, but for descriptors that a process had just got; or, after
 * setsid(2), with the job alive on its old descriptors; or, after the last step of the move, with a terminal that is hung
 * up.
 */
export function killed(name: SubjectName, fault: Fault): Trial {
  using log = new LogFile();
  using subject = start(name, true);
  const before = subject.pids.map(factsOf);
  using run = startReptyr(subject, fault, log.path);
  const { terminal } = run;
  const ended = waitUntil(
    `the end of a move with ${describeFault(fault)}`,
    () => terminal.child.status !== undefined ? "killed" : subject.isMoved() && "moved",
  );
  if (ended === "moved" && !endsSoon(terminal)) {
    subject.assertAnswersOn(terminal);
    return { outcome: "not struck", struck: [] };
  }
  assertEquals(terminal.child.status, { kind: "signaled", signal: 9 }, terminal.describe());
  const [target] = subject.pids;
  waitUntil("all to be let go", () =>
    subject.pids.every((pid) => {
      const stat = readStat(pid);
      return stat === undefined || !isLive(stat) || readStatus(pid)?.tracerPid === 0;
    }));
  const outcome = waitUntil("the target to be something", () => {
    const stat = readStat(target!);
    if (stat === undefined || !isLive(stat)) return "hung up";
    // Killed while the shell was being shown a stop: it undoes the rest when assertAsBefore() has it continued.
    if (subject.isJob && stat.state === "T") return "as before";
    // Its mask is the last that it gets back.
    if (String(readStatus(target!)?.sigBlocked) !== before[0]!.sets[0]) return undefined;
    if (name === "steal") return subject.isMoved() ? "hung up" : "as before";
    if (stat.ttyNr !== 0) return "as before";
    // One that hangs up, or gets its terminal back, is without it for a moment.
    return subject.isJob && !subject.handle.waitForEnd(2000) && readStat(target!)?.ttyNr === 0 &&
      "without terminal";
  });
  if (outcome === "as before") assertAsBefore(subject, before, fault);
  if (outcome === "without terminal") assertWhole(subject, before, fault);
  return { outcome, struck: [] };
}

/** Whether reptyr, which has let all go, is about to be killed by one of its last calls. */
function endsSoon({ child }: Terminal): boolean {
  return child.handle.waitForEnd(1000);
}

/** All is as before, but for descriptors and pages that a process had just got. */
export function assertAsBefore(subject: Subject, before: readonly Facts[], fault: Fault): void {
  bringToForeground(subject);
  assertWhole(subject, before, fault, true);
  subject.assertAnswersOn(subject.old);
}

/** The same of what does not depend on the session; or, with `andPlace`, also of what does. */
export function assertWhole(
  { pids, isJob }: Subject,
  before: readonly Facts[],
  fault: Fault,
  andPlace = false,
): void {
  pids.forEach((pid, index) => {
    const { fds, place, ...wanted } = before[index]!;
    const rest = () => {
      const { fds: _, place, ...now } = factsOf(pid);
      // Its session's leader has given up the terminal for a moment, and only a leader can have it back.
      const isBereft = !isJob && index > 0 && place[2] === 0;
      return { ...now, place: andPlace && !isBereft ? place : [] };
    };
    const then = { ...wanted, place: andPlace && rest().place.length > 0 ? place : [] };
    const what = `${describeFault(fault)}: process ${pid}`;
    try {
      waitUntil("the old state", () => JSON.stringify(rest()) === JSON.stringify(then), {
        timeoutMs: 5000,
      });
    } catch {
      assertEquals(rest(), then, what);
    }
    const now = factsOf(pid).fds;
    assertEquals(now.filter((fd) => fds.includes(fd)), fds, `${what}: descriptors that it had`);
    assert(now.length <= fds.length + 4, `${what}: ${now.join("\n")}`);
  });
}

export type Facts = ReturnType<typeof factsOf>;

/** What a killed reptyr may not have changed. */
export function factsOf(pid: number) {
  const status = readStatus(pid);
  const stat = readStat(pid);
  const sets = [status?.sigBlocked, status?.sigIgnored, status?.sigCaught, status?.sigPending];
  return {
    tracer: status?.tracerPid,
    sets: [...sets, status?.sharedPending].map(String),
    place: [stat?.pgrp, stat?.session, stat?.ttyNr, stat?.tpgid],
    files: Deno.readTextFileSync(`/proc/${pid}/maps`).split("\n").filter((line) =>
      line.includes("/") || line.includes("[")
    ).map((line) => line.replace(/.*\[(heap|stack)\]$/, "$1")),
    fds: (readFds(pid, pid) ?? []).map(({ fd, dev, ino, rdev, fdinfo }) =>
      [
        fd,
        dev,
        ino,
        rdev,
        fdinfo.flags,
        ...fdinfo.epoll.map(({ tfd, events }) => `${tfd}:${events}`),
      ]
        .join(" ")
    ),
  };
}

/** The shell may have seen its job stop, and have its terminal back: then it is asked for the job. */
function bringToForeground(subject: Subject): void {
  const { isJob, old, pids: [target] } = subject;
  const isInForeground = () => readStat(target!)?.tpgid === readStat(target!)?.pgrp;
  if (!isJob) return;
  // It may have been told just now.
  untilIdle(old.pid);
  if (isInForeground()) return;
  old.expect("Stopped");
  old.expect(PROMPT);
  old.line("fg");
  waitUntil("the job to be in the foreground", isInForeground);
}

export function startReptyr(subject: Subject, fault: Fault, log: string) {
  const { argv, env } = injecting(fault, log);
  const terminal = new Terminal({ ...WIDE, env: { ...WIDE.env, ...env } });
  using stack = new DisposableStack();
  stack.use(terminal);
  const settings = settingsOf(terminal);
  terminal.spawn([...argv, ...subject.args.map(String)]);
  const owned = stack.move();
  return { terminal, settings, [Symbol.dispose]: () => owned.dispose() };
}

export class LogFile implements Disposable {
  readonly path = Deno.makeTempFileSync({ prefix: "reptyr-faults-" });

  [Symbol.dispose](): void {
    Deno.removeSync(this.path);
  }
}
