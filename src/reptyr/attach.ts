/**
 * The move itself, in one synchronous piece: stop the job, hand it the new terminal, let its old shell see a
 * stop, change session and descriptors, let it go. A signal to this program is acted upon before or after,
 * never in between.
 */
import { RefusedError, RemoteSyscallError, SyscallError } from "../errors.ts";
import { O_RDWR } from "../ffi/constants.ts";
import { close, fchown } from "../ffi/descriptor.ts";
import { usleep } from "../ffi/process.ts";
import { holdLines, verbose, writeStderr } from "../log.ts";
import { mayBeServed } from "../proc/file_servers.ts";
import { isLive, readStat, type Stat } from "../proc/stat.ts";
import type { Status } from "../proc/status.ts";
import { deviceFile } from "../tty/master.ts";
import type { Pty } from "../tty/pty.ts";
import type { Termios } from "../tty/settings.ts";
import { setTermios } from "../tty/termios.ts";
import type { WindowSize } from "../tty/window_size.ts";
import type { Audience, Helpers } from "./helpers.ts";
import { loansSoFar } from "../tracee/loan_clock.ts";
import { explainTimeout } from "../tracee/frozen.ts";
import { overlap, type Steps } from "../tracee/steps.ts";
import { Deadline } from "../tracee/wait.ts";
import { processName } from "../tracee/attach_facts.ts";
import { refuseAlone } from "./alone.ts";
import { changeSides, leadsSession, type Mover } from "./change_sides.ts";
import { descriptorOnControlling, isControlling, openControlling } from "./controlling.ts";
import { abandonOnFailure, firstOf } from "./failure.ts";
import { releaseHeld } from "./hold.ts";
import { Job } from "./job.ts";
import { helpersOf, wholeGroup } from "./job_helpers.ts";
import { isIn, othersInTheWay, othersOfGroup } from "./job_members.ts";
import type { JobRecord, ProcessName } from "./job_record.ts";
import { type KnownRecord, readRecords, recordFor } from "./known_records.ts";
import type { LeftBehind } from "./late_prompt.ts";
import { tellLeftUndone, warnOfForbiddenReturns } from "./left_undone.ts";
import { OldScreen } from "./old_screen.ts";
import { makeRoom } from "./make_room.ts";
import { isDriven, type OldSettings, oldSettings } from "./old_settings.ts";
import { isForeground } from "./old_shell.ts";
import { fdsOn, type OldTerminal } from "./old_terminal.ts";
import { planJob } from "./plan.ts";
import { readLiveStats } from "../proc/stats.ts";
import type { MoveMode, PreflightFacts } from "./preflight.ts";
import { PublishedRecord } from "./published_record.ts";
import { catchesStop, PutAside } from "./put_aside.ts";
import type { Patience } from "./patience.ts";
import type { Redraw } from "./redraw.ts";
import { inTheWay } from "./refusals.ts";
import { refuseOwnServers } from "./served_stdio.ts";
import { orderOfDescriptions } from "./sharing.ts";
import type { SighupShield } from "./sighup_shield.ts";
import { usersOf } from "./terminal_users.ts";
import { obstacleInGroup } from "./zombies.ts";

/** What was moved, and those of it that the new terminal's signals do not reach by themselves. */
export interface Attachment extends Audience {
  /** The shell that the target is a job of, or was before its first move. */
  readonly shell: ProcessName | undefined;
  /** Whether the target is still in its old session: zombies.ts. */
  readonly stays: boolean;
  /** What of the job is changed for as long as we serve its terminal. */
  readonly shields: readonly SighupShield[];
  /** Whether the program that drives the screen sets it up and paints it by itself, as after `fg`. */
  readonly paintsItself: boolean;
  /** Of the old terminal; `undefined` when that was hung up. */
  readonly oldSize: WindowSize | undefined;
  /** Tell the next reptyr that moves the job what there is to know just now. */
  readonly publish: () => void;
  /** Where the target was moved alone out of the foreground job of a shell: those whom the shell goes on waiting for. */
  readonly left?: LeftBehind;
}

/** How the target is moved: MoveOptions in mod.ts. */
export interface AttachOptions extends MoveMode {
  readonly timeoutSeconds: number;
  /** With "none" no program is asked to put its screen right. */
  readonly redraw: Redraw;
}

/** The settings of the new terminal, from those of the old one. */
export type SettingsFrom = (old: Termios) => Termios;

/** The group that chown(2) leaves as it is: (gid_t) -1. */
const UNCHANGED = 0xffff_ffff;

/**
 * Move the job of `facts` to the slave of `pty`. It runs when this returns, also when it was found
 * job-stopped: it is in the foreground of the new terminal then, as after `fg`.
 *
 * Throws when it cannot be done, with all of the job as it was before, or TraceeDiedError.
 */
export async function attach(
  facts: PreflightFacts,
  pty: Pty,
  how: AttachOptions,
  settingsFrom: SettingsFrom,
  patience: Patience,
): Promise<Attachment> {
  releaseHeld([facts.pid, ...facts.members.map(({ pid }) => pid)]);
  const known = readRecords();
  const attempt = { facts, pty, how, settingsFrom, known, patience };
  for (let tries = 1; tries < ZOMBIE_TRIES; tries++) {
    const attachment = await tryToAttach({ ...attempt, mayStay: false });
    if (attachment !== undefined) return attachment;
    usleep(ZOMBIE_PAUSE_US);
  }
  return (await tryToAttach({ ...attempt, mayStay: true }))!;
}

interface Attempt {
  readonly facts: PreflightFacts;
  readonly pty: Pty;
  readonly how: AttachOptions;
  readonly settingsFrom: SettingsFrom;
  /** What other reptyrs tell of the job. */
  readonly known: readonly KnownRecord[];
  /** Whether to leave the target in its session where it cannot leave it. */
  readonly mayStay: boolean;
  readonly patience: Patience;
}

/** A parent that lives waits for its children soon: how often, and after how long, to look again. */
const ZOMBIE_TRIES = 50;
const ZOMBIE_PAUSE_US = 3000;

/** Throws RefusedError for a target that goes alone: the keys could not be kept from the others of its group. */
function warnOfStaying(pid: number, zombie: Stat, { alone }: MoveMode): void {
  if (alone) {
    throw new RefusedError(
      `Cannot move process ${pid} alone: process ${zombie.pid} of its group has ended, and its parent has not ` +
        "waited for it, which keeps the group from being left",
      [`To move the whole job, run: reptyr ${pid}`],
    );
  }
  writeStderr(
    `reptyr: warning: Process ${pid} stays in its old session, where /dev/tty is the terminal it comes from: ` +
      `process ${zombie.pid} of its group has ended, and its parent ${zombie.ppid} has not waited for it; ` +
      `to move the terminal itself, run: reptyr -T ${pid}`,
  );
}

/** A job that stands still, before anything of it is changed. */
interface StoppedJob {
  readonly job: Job;
  readonly staying: readonly Stat[];
  readonly stays: boolean;
  readonly found: OldSettings;
  readonly aside: PutAside;
}

/**
 * `undefined` when the target cannot leave its session just now, and is not to stay: all is as before then. As long as
 * stops are waited for there may be turns of the event loop; from then on there is none.
 */
async function tryToAttach(attempt: Attempt): Promise<Attachment | undefined> {
  const { facts, how, known, mayStay, patience } = attempt;
  const course = { isDone: false };
  using cleanup = new DisposableStack();
  // Our own standard error output may be a file that a member serves, which takes nothing while it stands still.
  if (mayBeServed(Deno.pid, Deno.pid, 2)) cleanup.use(holdLines());
  try {
    using job = await patience.wait(Job.stopping({
      target: facts.stat,
      others: facts.members,
      bystanders: facts.bystanders,
      record: recordFor(facts.stat, known),
      alone: how.alone,
      deadline: new Deadline(how.timeoutSeconds),
    }));
    const { target } = job;
    verbose(`Stopped ${job.members.map(({ pid }) => pid).join(", ")}`);
    warnOfForbiddenReturns(job.members);
    if (target.terminal === undefined && !how.forceStdio) {
      throw new RefusedError(`Cannot move process ${target.pid}: it has just closed its terminal`);
    }
    if (how.forceStdio) refuseOwnServers(job);
    const obstacle = obstacleInGroup(job);
    if (obstacle !== undefined && !mayStay) return undefined;
    const stays = obstacle !== undefined;
    if (stays) warnOfStaying(target.pid, obstacle, how);
    const staying = how.alone ? whoStays(job, facts) : [];
    const found = settingsOf(job);
    using aside = isDriven(found) && how.redraw !== "none" && mayAsk(staying, job, facts)
      ? await patience.wait(PutAside.asking(job, how.timeoutSeconds))
      : PutAside.nobody();
    if (patience.isTried) await patience.end();
    return changeStopped(attempt, { job, staying, stays, found, aside }, course, cleanup);
  } catch (error) {
    throw course.isDone ? unserved(error, facts.pid) : explained(error, facts);
  }
}

/**
 * The synchronous part, from the first changed register to the last restored one. `course` tells whether the process is
 * on the new terminal; what is on `cleanup` is for when the job has been let go.
 */
function changeStopped(
  { facts, pty, how, settingsFrom, known }: Attempt,
  { job, staying, stays, found, aside }: StoppedJob,
  course: { isDone: boolean },
  cleanup: DisposableStack,
): Attachment {
  const { target } = job;
  const old = aside.hasAny ? settingsOf(job) : found;
  if (aside.hasAny) job.refuseFrozen();
  const { terminal } = target;
  using screen = isDriven(found) && !aside.isScreenRight && isScreenLeft(staying, job)
    ? OldScreen.open(target, terminal)
    : undefined;
  setTermios(pty.slave, settingsFrom(old.termios));
  giveTo(pty, target.status);

  using undo = new DisposableStack();
  // Before anyone leaves the old terminal: the reptyr that served that looks for it when it is abandoned.
  const name = { pid: facts.pid, startTime: target.stat.startTime };
  const record = undo.use(new PublishedRecord(name));
  const hasShell = !leadsSession(target);
  // What the members would undo by themselves is not to be undone twice.
  using loans = new DisposableStack();
  loans.defer(() => job.giveBack());
  const { shell, isWaiting, shields } = abandonOnFailure(job.members, () => {
    const movers = equip(job, terminal, pty, how, cleanup, undo);
    // A shell prompts as soon as it sees its job stop; the last that may fail has been done by then.
    if (hasShell) screen?.reset();
    return changeSides(job, movers, {
      staying,
      known,
      hasBystanders: facts.bystanders.length > 0,
      stays,
    }, undo);
  });
  undo.move();
  course.isDone = true;
  if (!hasShell) screen?.reset();
  tellLoans();
  tellLeftUndone(job.members);
  const earlier = recordFor(name, known);
  const helpers = stays ? wholeGroup(job) : helpersOf(job, earlier?.groups);
  const parent = shell ?? earlier?.shell;
  const said = how.alone ? NOBODY : ownWord(job, helpers);
  const publish = () =>
    record.write({
      target: name,
      ...parent === undefined ? {} : { shell: parent },
      ...said,
      bystanders: facts.bystanders.map(named),
      shields: shields.map(({ record }) => record).filter((one) => one !== undefined),
    });
  publish();
  return {
    target: facts.pid,
    helpers,
    gate: job.gate,
    usesTerminal: usersOf({ ...deviceFile(pty.slave), live: true }),
    shell: parent,
    stays,
    shields,
    paintsItself: aside.isScreenRight,
    oldSize: old.size,
    publish,
    ...shell === undefined || !isWaiting ? {} : { left: leftIn(shell.pid, job, staying) },
  };
}

const NOBODY = { groups: [], members: [] };

/** The next reptyr believes us with our authority: what is known only on the word of a lesser one is left out. */
function ownWord(
  { helpers, gate }: Job,
  { groups, processes }: Helpers,
): Required<Pick<JobRecord, "groups" | "members">> {
  const limited = processes.filter((one) => gate.isLimited(one)).map(({ pid }) => readStat(pid));
  return {
    groups: groups.filter((group) => !limited.some((stat) => stat && isIn(group, stat))),
    members: helpers.map(({ stat }) => named(stat)).filter((one) => !gate.isLimited(one)),
  };
}

function named({ pid, startTime }: ProcessName): ProcessName {
  return { pid, startTime };
}

/** How long the members had our registers. */
function tellLoans(): void {
  const { count, bare, longestMs, totalMs } = loansSoFar();
  const microseconds = (milliseconds: number) => Math.round(milliseconds * 1000);
  verbose(
    `Registers were on loan ${count} times, at most ${microseconds(longestMs)} us, ` +
      `together ${microseconds(totalMs)} us, ${bare} times without a safety net`,
  );
}

/** The others of the target's group, which is to go alone. Throws RefusedError when it cannot. */
function whoStays({ target, gate }: Job, { command }: PreflightFacts): readonly Stat[] {
  const table = readLiveStats();
  refuseAlone({ pid: target.pid, command }, target.stat, table);
  const others = othersOfGroup(target.stat, table);
  const strangers = othersInTheWay(target.stat, table).filter((stat) => !gate.admits(stat))
    .map(({ pid }) => ({ ...processName(pid), ttyNr: 0 }));
  const refused = inTheWay({ pid: target.pid, command }, strangers);
  if (refused !== undefined) throw refused;
  return others;
}

/** Programs that suspend themselves send the stop to their whole group: not when some of it would really stop. */
function mayAsk(
  staying: readonly Stat[],
  { members }: Job,
  { bystanders }: PreflightFacts,
): boolean {
  return bystanders.length === 0 &&
    staying.every(({ pid }) => members.some((member) => member.pid === pid));
}

/** Whether nobody of those `staying` drives the old screen: the target does, where it handles ^Z. */
function isScreenLeft(staying: readonly Stat[], { target }: Job): boolean {
  return staying.length === 0 || catchesStop(target.status);
}

function leftIn(shell: number, { target }: Job, staying: readonly Stat[]): LeftBehind {
  const groups = staying.map(({ pid }) => readStat(pid)?.pgrp).filter((group) =>
    group !== undefined
  );
  return { process: target.stat, shell, group: groups[0] ?? target.stat.pgrp };
}

function settingsOf(job: Job): OldSettings {
  return oldSettings(job.target.pidfd, job.target.terminal?.fds[0], movesForeground(job));
}

/** Whether the foreground process group of the old terminal moves, whose settings it then has. */
function movesForeground({ target, members }: Job): boolean {
  const { ttyNr, tpgid } = target.stat;
  return ttyNr !== 0 && members.some(({ stat }) => stat.pgrp === tpgid);
}

/** For programs that open their terminal again by name. Without privilege the user is our own anyway. */
function giveTo(pty: Pty, { uids }: Status): void {
  const owner = uids[1];
  if (fchown(pty.slave, owner, UNCHANGED) < 0) {
    verbose(`${pty.name} stays ours: its owner cannot be changed to user ${owner}`);
  }
}

/** Open the new descriptions, and give each member those that it needs. Nothing else of it is changed. */
function equip(
  job: Job,
  terminal: OldTerminal | undefined,
  pty: Pty,
  how: MoveMode,
  cleanup: DisposableStack,
  undo: DisposableStack,
): Mover[] {
  const { flags, moves } = planJob(
    job.members.map((member) => ({
      pid: member.tracee.mainTid,
      fds: member.fds,
      moving: terminal === undefined || how.alone && member !== job.target
        ? []
        : fdsOn(terminal.identity, member.stat.ttyNr, member.fds),
      forced: how.forceStdio && member === job.target ? STANDARD : [],
    })),
    orderOfDescriptions,
  );
  const openSlave = (flags: number) => {
    const slave = pty.openSlave(flags);
    cleanup.defer(() => close(slave));
    return slave;
  };
  const slaves = flags.map(openSlave);
  // The controlling terminal is set through a descriptor of its own, which must be readable.
  const controllingSlave = openSlave(O_RDWR);
  const wishes = job.members.map((member, index) => {
    const plan = moves[index]!;
    const needed = plan.descriptions.map(({ index }) => slaves[index]!);
    const isTarget = member === job.target;
    const wanted = isTarget ? [...needed, controllingSlave] : needed;
    const oldControlling = isTarget ? descriptorOnControlling(member, terminal) : undefined;
    const isMissing = isTarget && oldControlling === undefined && member.stat.ttyNr !== 0 &&
      (leadsSession(member) || how.alone && isForeground(member.stat) && job.helpers.length > 0);
    const opened = isMissing ? openControlling(member) : undefined;
    if (opened !== undefined) {
      cleanup.defer(() => close(opened));
      wanted.push(opened);
    }
    return { member, plan, wanted, needed: needed.length, oldControlling };
  });
  makeRoom(wishes.map(({ member, plan, wanted }) => ({ member, plan, wanted: wanted.length })));
  return overlap(wishes.map(({ member, plan, wanted, needed, oldControlling }) => {
    const receive = function* (): Steps<Mover> {
      const given = yield* member.receiving(wanted);
      undo.defer(() => member.giveUp(given));
      const old = given.length === 0
        ? []
        : yield* member.stepsWithin((remote) => member.keepingOld(remote, plan));
      const opened = given[needed + 1];
      const isControlled = opened !== undefined &&
        (yield* member.stepsWithin((remote) => isControlling(remote, member, opened)));
      return {
        member,
        plan,
        old,
        given,
        controlling: given[needed],
        oldControlling: oldControlling ?? (isControlled ? opened : undefined),
      };
    };
    return receive();
  }));
}

/** Standard input, output and error. */
const STANDARD: readonly number[] = [0, 1, 2];

/**
 * A system call that failed where none should, in words for the user. Putting things back has failed too when the
 * error came to suppress another.
 */
function explained(error: unknown, { pid, stat }: PreflightFacts): unknown {
  const first = firstOf(error);
  if (!(first instanceof SyscallError)) {
    return explainTimeout(first, leftSession(readStat(pid), stat));
  }
  const remedies = [whatIsLeft(pid, stat, first === error)];
  if (first.code === "ENOSYS") {
    remedies.unshift("pidfd_getfd(2) is needed, which Linux has since version 5.6");
  }
  if (first.code === "EMFILE" && !(first instanceof RemoteSyscallError)) {
    remedies.unshift("Raise RLIMIT_NOFILE where reptyr is started: ulimit -n NUMBER");
  }
  return new RefusedError(`Cannot move process ${pid}: ${first.message}`, remedies, {
    cause: first,
  });
}

/** The process is on the new terminal, and that goes with us. */
function unserved(error: unknown, pid: number): unknown {
  const first = firstOf(error);
  if (!(first instanceof SyscallError)) return first;
  return new RefusedError(
    `Process ${pid} was moved, but cannot be served: ${first.message}`,
    ["Its new terminal has hung up"],
    { cause: first },
  );
}

/** What has become of process `pid`, which was `before`, when it has been let go again. */
function whatIsLeft(pid: number, before: Stat, isUndone: boolean): string {
  const now = readStat(pid);
  if (now === undefined || !isLive(now)) return "The process has ended";
  return leftSession(now, before) ?? undone(isUndone, now, before);
}

function leftSession(now: Stat | undefined, before: Stat): string | undefined {
  return now === undefined || now.session === before.session
    ? undefined
    : "It goes on where it was, but in a session of its own, which cannot be undone: no key stops or ends it there";
}

function undone(isUndone: boolean, now: Stat, before: Stat): string {
  return isUndone && now.ttyNr === before.ttyNr
    ? "All is as it was before; --verbose shows how far the move came"
    : "Not all could be put back: see whether the process still works";
}
