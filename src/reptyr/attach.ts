/**
 * The move itself, in one synchronous piece: stop the job, hand it the new terminal, let its old shell see a
 * stop, change session and descriptors, let it go. A signal to this program is acted upon before or after,
 * never in between.
 */
import { RefusedError, SyscallError } from "../errors.ts";
import { O_RDWR } from "../ffi/constants.ts";
import { close, fchown } from "../ffi/descriptor.ts";
import { usleep } from "../ffi/process.ts";
import { verbose, writeStderr } from "../log.ts";
import { readStat, type Stat } from "../proc/stat.ts";
import type { Status } from "../proc/status.ts";
import type { Pty } from "../tty/pty.ts";
import { setTermios } from "../tty/termios.ts";
import type { WindowSize } from "../tty/window_size.ts";
import { type Helpers, isIn } from "./helpers.ts";
import { changeSides, type Mover } from "./change_sides.ts";
import { releaseHeld } from "./hold.ts";
import { Job } from "./job.ts";
import { earlierHelpers } from "./job_members.ts";
import type { HelperGroup, JobRecord, ProcessName } from "./job_record.ts";
import { isForeground } from "./old_shell.ts";
import { oldSettings } from "./old_settings.ts";
import { fdsOn, type OldTerminal } from "./old_terminal.ts";
import { planJob } from "./plan.ts";
import type { PreflightFacts } from "./preflight.ts";
import { PublishedRecord, readRecords } from "./published_record.ts";
import { sharesDescription } from "./sharing.ts";
import type { SighupShield } from "./sighup_shield.ts";
import { obstacleInGroup } from "./zombies.ts";

export interface Attachment {
  /** The shell that the target is a job of, or was before its first move. */
  readonly shell: ProcessName | undefined;
  /** Whether the target is still in its old session: zombies.ts. */
  readonly stays: boolean;
  /** What of the job is changed for as long as we serve its terminal. */
  readonly shields: readonly SighupShield[];
  /** Of the old terminal; `undefined` when that was hung up. */
  readonly oldSize: WindowSize | undefined;
  /** Those of the job that the new terminal's signals do not reach by themselves. */
  readonly helpers: Helpers;
  /** Tell the next reptyr that moves the job what there is to know just now. */
  readonly publish: () => void;
}

/** The group that chown(2) leaves as it is: (gid_t) -1. */
const UNCHANGED = 0xffff_ffff;

/**
 * Move the job of `facts` to the slave of `pty`. It runs when this returns, also when it was found
 * job-stopped: it is in the foreground of the new terminal then, as after `fg`.
 *
 * Throws when it cannot be done, with all of the job as it was before, or TraceeDiedError.
 */
export function attach(facts: PreflightFacts, pty: Pty, timeoutSeconds: number): Attachment {
  releaseHeld([facts.pid, ...facts.members]);
  const known = readRecords(facts.pid);
  for (let tries = 1; tries < ZOMBIE_TRIES; tries++) {
    const attachment = tryToAttach({ facts, pty, timeoutSeconds, known, mayStay: false });
    if (attachment !== undefined) return attachment;
    usleep(ZOMBIE_PAUSE_US);
  }
  return tryToAttach({ facts, pty, timeoutSeconds, known, mayStay: true })!;
}

interface Attempt {
  readonly facts: PreflightFacts;
  readonly pty: Pty;
  readonly timeoutSeconds: number;
  /** What other reptyrs tell of the job. */
  readonly known: readonly JobRecord[];
  /** Whether to leave the target in its session where it cannot leave it. */
  readonly mayStay: boolean;
}

/** A parent that lives waits for its children soon: how often, and after how long, to look again. */
const ZOMBIE_TRIES = 50;
const ZOMBIE_PAUSE_US = 3000;

function warnOfStaying(pid: number, zombie: Stat): void {
  writeStderr(
    `reptyr: warning: Process ${pid} stays in its old session, where /dev/tty is the terminal it comes from: ` +
      `process ${zombie.pid} of its group has ended, and its parent ${zombie.ppid} has not waited for it`,
  );
}

/** `undefined` when the target cannot leave its session just now, and is not to stay: all is as before then. */
function tryToAttach(
  { facts, pty, timeoutSeconds, known, mayStay }: Attempt,
): Attachment | undefined {
  using cleanup = new DisposableStack();
  try {
    using job = new Job(facts.pid, facts.members, timeoutSeconds);
    const { target } = job;
    verbose(`Stopped ${job.members.map(({ pid }) => pid).join(", ")}`);
    const terminal = target.terminal;
    if (terminal === undefined) {
      throw new RefusedError(`Cannot move process ${target.pid}: it has just closed its terminal`);
    }
    const obstacle = obstacleInGroup(job);
    if (obstacle !== undefined && !mayStay) return undefined;
    const stays = obstacle !== undefined;
    if (stays) warnOfStaying(target.pid, obstacle);
    const old = oldSettings(target.pidfd, terminal.fds[0]!, isForeground(target.stat));
    setTermios(pty.slave, old.termios);
    giveTo(pty, target.status);

    using undo = new DisposableStack();
    const movers = equip(job, terminal, pty, stays, cleanup, undo);
    // Before anyone leaves the old terminal: the reptyr that served that looks for it when it is abandoned.
    const record = undo.use(new PublishedRecord(facts.pid));
    const earlier = known.find((record) => record.target === facts.pid);
    const how = { terminal, known, stays };
    const { shell = earlier?.shell, shields } = changeSides(job, movers, how, undo);
    undo.move();
    const helpers = stays ? wholeGroup(job) : helpersOf(job, earlier?.groups);
    const publish = () =>
      record.write({
        target: facts.pid,
        ...shell === undefined ? {} : { shell },
        groups: helpers.groups,
        shields: shields.map(({ record }) => record).filter((one) => one !== undefined),
      });
    publish();
    return { shell, stays, shields, oldSize: old.size, helpers, publish };
  } catch (error) {
    throw explained(error, facts.pid);
  }
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
  terminal: OldTerminal,
  pty: Pty,
  stays: boolean,
  cleanup: DisposableStack,
  undo: DisposableStack,
): Mover[] {
  const { flags, moves } = planJob(
    job.members.map((member) => ({
      pid: member.tracee.mainTid,
      fds: member.fds,
      moving: fdsOn(terminal.identity, member.stat.ttyNr, member.fds),
    })),
    sharesDescription,
  );
  const openSlave = (flags: number) => {
    const slave = pty.openSlave(flags);
    cleanup.defer(() => close(slave));
    return slave;
  };
  const slaves = flags.map(openSlave);
  // The controlling terminal is set through a descriptor of its own, which must be readable.
  const controllingSlave = openSlave(O_RDWR);
  const movers = job.members.map((member, index): Mover => {
    const plan = moves[index]!;
    const old = member.keepOld(plan, cleanup);
    const needed = plan.descriptions.map(({ index }) => slaves[index]!);
    const wanted = member === job.target && !stays ? [...needed, controllingSlave] : needed;
    // Beside what it is given: at first the sockets that bring it, later a copy of each that is replaced.
    if (wanted.length > 0) member.requireRoom(wanted.length + Math.max(2, wanted.length));
    const given = member.receive(wanted);
    undo.defer(() => member.giveUp(given));
    return { member, plan, old, given };
  });
  return movers;
}

/**
 * Whom the keys are for though they are not in the target's session: those of its group, who are in another now, and
 * of the group that was in the foreground; and whoever was left so by an earlier move. Where they are, as we number
 * groups.
 */
function helpersOf(
  { target, members, helpers }: Job,
  groupsThen: readonly HelperGroup[] | undefined,
): Helpers {
  const { pid, stat: { session, pgrp, tpgid } } = target;
  const stats = members.map(({ stat }) => stat);
  const earlier = new Set(earlierHelpers(target.stat, stats, () => true).map(({ pid }) => pid));
  const left = helpers.filter(({ pid: helper, stat }) =>
    session !== pid
      ? stat.pgrp === pgrp || stat.pgrp === tpgid
      : earlier.has(helper) && (groupsThen?.some((group) => isIn(group, stat)) ?? true)
  );
  const groups = new Map(left.map(({ pid, stat }) => {
    const group = { session: stat.session, pgrp: readStat(pid)?.pgrp ?? stat.pgrp };
    return [group.pgrp, group];
  }));
  return { groups: [...groups.values()], pids: left.map(({ pid }) => pid) };
}

/** For a target that stays where it is: the keys are for the whole of its group. */
function wholeGroup({ target: { stat: { session, pgrp } }, helpers }: Job): Helpers {
  const group = helpers.filter(({ stat }) => stat.pgrp === pgrp);
  return { groups: [{ session, pgrp }], pids: group.map(({ pid }) => pid) };
}

/** What went wrong first; what then failed in putting things back is a consequence of it. */
function firstOf(error: unknown): unknown {
  return error instanceof SuppressedError ? firstOf(error.suppressed) : error;
}

/**
 * A system call that failed where none should, in words for the user. Putting things back has failed too when the
 * error came to suppress another.
 */
function explained(error: unknown, pid: number): unknown {
  const first = firstOf(error);
  if (!(first instanceof SyscallError)) return first;
  const remedies = [
    first === error
      ? "All is as it was before; --verbose shows how far the move came"
      : "Not all could be put back: see whether the process still works",
  ];
  if (first.code === "ENOSYS") {
    remedies.unshift("pidfd_getfd(2) is needed, which Linux has since version 5.6");
  }
  return new RefusedError(`Cannot move process ${pid}: ${first.message}`, remedies, {
    cause: first,
  });
}
