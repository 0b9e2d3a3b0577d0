/**
 * The move itself, in one synchronous piece: stop the job, hand it the new terminal, let its old shell see a
 * stop, change session and descriptors, let it go. A signal to this program is acted upon before or after,
 * never in between.
 */
import { firstOf, RefusedError, RemoteSyscallError, SyscallError } from "../../errors.ts";
import { O_RDWR } from "../../ffi/constants.ts";
import { close, fchown } from "../../ffi/descriptor.ts";
import { usleep } from "../../ffi/process.ts";
import { holdLines, verbose, writeStderr } from "../../log.ts";
import { isLive, readStat, type Stat } from "../../proc/stat.ts";
import type { Status } from "../../proc/status.ts";
import { deviceFile } from "../../tty/master.ts";
import type { Pty } from "../../tty/pty.ts";
import { setTermios } from "../../tty/termios.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import { explainTimeout } from "../../tracee/frozen.ts";
import { interleave, type Steps } from "../../tracee/steps.ts";
import { Deadline } from "../../tracee/wait.ts";
import { processName } from "../../tracee/attach_facts.ts";
import { refuseAlone } from "../inspect/alone.ts";
import { leadsSession, type MemberMove, switchTerminal } from "./switch_terminal.ts";
import {
  descriptorOnControlling,
  isControlling,
  openControlling,
} from "./session/controlling_tty.ts";
import { leaveToSigframesOnFailure } from "./job/failure.ts";
import { Job } from "./job/job.ts";
import { relayedGroupsOf, wholeGroup } from "./job/relayed_members.ts";
import { othersInTheWay, othersOfGroup } from "../inspect/job_members.ts";
import type { JobRecord } from "../record/job_record.ts";
import { type KnownRecord, readRecords, recordFor } from "../record/known_records.ts";
import { tellLeftUndone, warnOfForbiddenReturns } from "./left_undone.ts";
import { OldScreen } from "./screen/old_screen.ts";
import { makeRoom } from "./make_room.ts";
import { isDriven, type OldSettings, oldSettings } from "./screen/old_settings.ts";
import { isForeground } from "./session/old_shell.ts";
import { fdsOn, type OldTerminal } from "../inspect/old_terminal.ts";
import { planJob } from "./descriptors/plan.ts";
import { readLiveStats } from "../../proc/stats.ts";
import type { PreflightFacts } from "../inspect/preflight.ts";
import { PublishedRecord } from "../record/published_record.ts";
import { catchesStop, ScreenSuspension } from "./screen/screen_suspend.ts";
import type { Patience } from "../frontend/patience.ts";
import { inTheWay } from "../inspect/refusals.ts";
import { orderOfDescriptions } from "./descriptors/kcmp.ts";
import { usersOf } from "../inspect/terminal_users.ts";
import { toIdentity } from "../../proc/process_identity.ts";
import { isIn, type RelayedGroups } from "../record/relayed_groups.ts";
import type { FrontEnd } from "../frontend/front_end.ts";
import type { MoveMode, MoveOptions } from "../inspect/move_options.ts";
import { blockingZombie } from "./job/zombies.ts";
import type { Attachment, LeftBehind } from "./attachment.ts";
import { plainTermios } from "../../tty/settings.ts";
import { plainness } from "../frontend/own_terminal.ts";
import { setWindowSize } from "../../tty/window_size.ts";
import { mayBeServed } from "../../proc/file_servers.ts";
import { refuseOwnServers } from "./served_stdio.ts";
import { allOf, countOf } from "./descriptors/send_fds.ts";

/** Where to, and how. */
export interface Course {
  /** The new terminal. */
  readonly pty: Pty;
  readonly options: MoveOptions;
  /** Waits for stops, and gives up when the user does not want to wait. */
  readonly patience: Patience;
  /** The user's side, which the new terminal is set up for. */
  readonly front: Pick<FrontEnd, "terminal" | "size">;
}

/** The group that chown(2) leaves as it is: (gid_t) -1. */
const UNCHANGED = 0xffff_ffff;

/**
 * Move the job of `facts` to the slave of `pty`. It runs when this returns, also when it was found
 * job-stopped: it is in the foreground of the new terminal then, as after `fg`.
 *
 * Throws when it cannot be done, with all of the job as it was before, or TraceeDiedError.
 */
export async function moveJob(facts: PreflightFacts, course: Course): Promise<Attachment> {
  const attempt = { ...course, facts, otherRecords: readRecords() };
  for (let tries = 1; tries < ZOMBIE_TRIES; tries++) {
    const outcome = await tryToMove({ ...attempt, mayKeepSession: false });
    if (outcome.kind === "moved") return outcome.attachment;
    usleep(ZOMBIE_PAUSE_US);
  }
  const outcome = await tryToMove({ ...attempt, mayKeepSession: true });
  if (outcome.kind === "moved") return outcome.attachment;
  throw new Error("A target that may keep its session was blocked");
}

interface Attempt extends Course {
  readonly facts: PreflightFacts;
  /** What other reptyrs tell of the job. */
  readonly otherRecords: readonly KnownRecord[];
  /** Whether to leave the target in its session where it cannot leave it. */
  readonly mayKeepSession: boolean;
}

type Outcome =
  /** A zombie keeps the target in its session just now; all is as before. */
  | { readonly kind: "blocked" }
  | { readonly kind: "moved"; readonly attachment: Attachment };

/** A parent that lives waits for its children soon: how often, and after how long, to look again. */
const ZOMBIE_TRIES = 50;
const ZOMBIE_PAUSE_US = 3000;

/** Throws RefusedError for a target that goes alone: the keys could not be kept from the others of its group. */
function warnOfKeptSession(pid: number, zombie: Stat, { alone }: MoveMode): void {
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
  readonly leftInPgrp: readonly Stat[];
  readonly keepsSession: boolean;
  readonly found: OldSettings;
  readonly aside: ScreenSuspension;
}

/** As long as stops are waited for there may be turns of the event loop; from then on there is none. */
async function tryToMove(attempt: Attempt): Promise<Outcome> {
  const { facts, options, otherRecords, mayKeepSession, patience } = attempt;
  const progress = { isDone: false };
  using cleanup = new DisposableStack();
  // Our own standard error output may be a file that a member serves, which takes nothing while it stands still.
  if (mayBeServed(Deno.pid, Deno.pid, 2)) cleanup.use(holdLines());
  try {
    using job = await patience.wait(Job.stopping({
      target: facts.stat,
      others: facts.members,
      bystanders: facts.bystanders,
      record: recordFor(facts.stat, otherRecords),
      alone: options.alone,
      deadline: new Deadline(options.timeoutSeconds),
    }));
    const { target } = job;
    verbose(`Stopped ${job.members.map(({ pid }) => pid).join(", ")}`);
    warnOfForbiddenReturns(job.members);
    if (target.terminal === undefined && !options.forceStdio) {
      throw new RefusedError(`Cannot move process ${target.pid}: it has just closed its terminal`);
    }
    if (options.forceStdio) refuseOwnServers(job);
    const obstacle = blockingZombie(job);
    if (obstacle !== undefined && !mayKeepSession) return { kind: "blocked" };
    const keepsSession = obstacle !== undefined;
    if (keepsSession) warnOfKeptSession(target.pid, obstacle, options);
    const leftInPgrp = options.alone ? whoStays(job, facts) : [];
    const found = settingsOf(job);
    using aside = isDriven(found) && options.redraw !== "none" && mayAsk(leftInPgrp, job, facts)
      ? await patience.wait(ScreenSuspension.asking(job, options.timeoutSeconds))
      : ScreenSuspension.nobody();
    if (patience.isTried) await patience.end();
    const stopped = { job, leftInPgrp, keepsSession, found, aside };
    return { kind: "moved", attachment: changeStopped(attempt, stopped, progress, cleanup) };
  } catch (error) {
    throw progress.isDone ? unserved(error, facts.pid) : explained(error, facts);
  }
}

/**
 * The synchronous part, from the first changed register to the last restored one. `progress` tells whether the process is
 * on the new terminal; what is on `cleanup` is for when the job has been let go.
 */
function changeStopped(
  { facts, pty, front, options, otherRecords }: Attempt,
  { job, leftInPgrp, keepsSession, found, aside }: StoppedJob,
  progress: { isDone: boolean },
  cleanup: DisposableStack,
): Attachment {
  const { target } = job;
  const old = aside.hasAny ? settingsOf(job) : found;
  if (aside.hasAny) job.refuseFrozen();
  const { terminal } = target;
  using screen = isDriven(found) && !aside.isScreenRight && isScreenLeft(leftInPgrp, job)
    ? OldScreen.open(target, terminal)
    : undefined;
  setTermios(pty.slave, plainTermios(old.termios, plainness(front.terminal)));
  setWindowSize(pty.slave, front.size());
  giveTo(pty, target.status);

  using undo = new DisposableStack();
  // Before anyone leaves the old terminal: the reptyr that served that looks for it when it is abandoned.
  const name = { pid: facts.pid, startTime: target.stat.startTime };
  const record = undo.use(new PublishedRecord(name));
  const hasShell = !leadsSession(target);
  // What the members would undo by themselves is not to be undone twice.
  using loans = new DisposableStack();
  loans.defer(() => job.restoreState());
  const { shell, isWaiting, shields } = leaveToSigframesOnFailure(job.members, () => {
    const movers = equip(job, terminal, pty, options, cleanup, undo);
    // A shell prompts as soon as it sees its job stop; the last that may fail has been done by then.
    if (hasShell) screen?.reset();
    return switchTerminal(job, movers, {
      leftInPgrp,
      otherRecords,
      hasBystanders: facts.bystanders.length > 0,
      keepsSession,
    }, undo);
  });
  undo.move();
  progress.isDone = true;
  if (!hasShell) screen?.reset();
  tellLoans();
  tellLeftUndone(job.members);
  const earlier = recordFor(name, otherRecords);
  const relayed = keepsSession ? wholeGroup(job) : relayedGroupsOf(job, earlier?.groups);
  const parent = shell ?? earlier?.shell;
  const said = options.alone ? NOBODY : ownWord(job, relayed);
  const publish = () =>
    record.write({
      target: name,
      ...parent === undefined ? {} : { shell: parent },
      ...said,
      bystanders: facts.bystanders.map(toIdentity),
      shields: shields.map(({ record }) => record).filter((one) => one !== undefined),
    });
  publish();
  return {
    target: facts.pid,
    relayed,
    gate: job.gate,
    usesTerminal: usersOf({ ...deviceFile(pty.slave), live: true }),
    shell: parent,
    keepsSession,
    shields,
    paintsItself: aside.isScreenRight,
    oldSize: old.size,
    publish,
    ...shell === undefined || !isWaiting ? {} : { left: leftIn(shell.pid, job, leftInPgrp) },
  };
}

const NOBODY = { groups: [], members: [] };

/** The next reptyr believes us with our authority: what is known only on the word of a lesser one is left out. */
function ownWord(
  { others, gate }: Job,
  { groups, processes }: RelayedGroups,
): Required<Pick<JobRecord, "groups" | "members">> {
  const limited = processes.filter((one) => gate.isLimited(one)).map(({ pid }) => readStat(pid));
  return {
    groups: groups.filter((group) => !limited.some((stat) => stat && isIn(group, stat))),
    members: others.map(({ stat }) => toIdentity(stat)).filter((one) => !gate.isLimited(one)),
  };
}

/** How long the members had our registers. */
function tellLoans(): void {
  const { count, bare, longestMs, totalMs } = TRACE_SESSION.scopeTimes.soFar;
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
  leftInPgrp: readonly Stat[],
  { members }: Job,
  { bystanders }: PreflightFacts,
): boolean {
  return bystanders.length === 0 &&
    leftInPgrp.every(({ pid }) => members.some((member) => member.pid === pid));
}

/** Whether nobody of those `staying` drives the old screen: the target does, where it handles ^Z. */
function isScreenLeft(leftInPgrp: readonly Stat[], { target }: Job): boolean {
  return leftInPgrp.length === 0 || catchesStop(target.status);
}

function leftIn(shell: number, { target }: Job, leftInPgrp: readonly Stat[]): LeftBehind {
  const groups = leftInPgrp.map(({ pid }) => readStat(pid)?.pgrp).filter((group) =>
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
): MemberMove[] {
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
    const replacements = plan.descriptions.map(({ index }) => slaves[index]!);
    const isTarget = member === job.target;
    const oldControlling = isTarget ? descriptorOnControlling(member, terminal) : undefined;
    const isMissing = isTarget && oldControlling === undefined && member.stat.ttyNr !== 0 &&
      (leadsSession(member) || how.alone && isForeground(member.stat) && job.others.length > 0);
    const opened = isMissing ? openControlling(member) : undefined;
    if (opened !== undefined) cleanup.defer(() => close(opened));
    const sent = {
      replacements,
      controlling: isTarget ? controllingSlave : undefined,
      oldControlling: opened,
    };
    return { member, plan, sent, oldControlling };
  });
  makeRoom(wishes.map(({ member, plan, sent }) => ({ member, plan, wanted: countOf(sent) })));
  return interleave(wishes.map(({ member, plan, sent, oldControlling }) => {
    const receive = function* (): Steps<MemberMove> {
      const given = yield* member.receiveFds(sent);
      undo.defer(() => member.closeReceivedFds(given));
      const old = allOf(given).length === 0
        ? []
        : yield* member.withRemoteSteps((remote) => member.keepOldFds(remote, plan));
      const opened = given.oldControlling;
      const isControlled = opened !== undefined &&
        (yield* member.withRemoteSteps((remote) => isControlling(remote, member, opened)));
      const found = oldControlling ?? (isControlled ? opened : undefined);
      return { member, plan, old, given, oldControlling: found };
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
  const remedies = [whatIsLeft(pid, stat, !(error instanceof SuppressedError))];
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
