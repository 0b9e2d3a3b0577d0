/**
 * The time after `reptyr -T`, until all programs have left the terminal or this reptyr must end. Keys and output pass as they
 * are, because job control is that of the shell on the stolen terminal. A job that another reptyr had moved there is served
 * as one of ours.
 */
import { POLLHUP, POLLIN, SIGWINCH } from "../../ffi/constants.ts";
import { close, PollSet } from "../../ffi/descriptor.ts";
import { pidfdOpen } from "../../ffi/process.ts";
import { writeStderr } from "../../log.ts";
import { encodeDevice, ptsDevice } from "../../proc/device.ts";
import { exitStatus } from "../../proc/exit_status.ts";
import { isEndingProcess, readStat } from "../../proc/stat.ts";
import type { FrontEnd, Service } from "../frontend/front_end.ts";
import { IdleKeys } from "../frontend/idle_keys.ts";
import { type Redraw, Redrawer } from "../frontend/redraw.ts";
import { JobControl } from "../serve/job_control.ts";
import { endService, liftShield } from "../serve/moved_job.ts";
import { signalRelayed } from "../serve/signal_relay.ts";
import type { FoundTerminal } from "./found_terminal.ts";
import type { TakenTerminal } from "./taken_terminal.ts";

export class StolenService implements Service, Disposable {
  readonly pty;
  readonly redrawer: Redrawer;
  readonly watches: Service["watches"];
  readonly #found: FoundTerminal;
  readonly #taken: TakenTerminal;
  readonly #front: FrontEnd;
  readonly #cleanup = new DisposableStack();
  #status: number | undefined;
  /** The session's leader has ended, and the user is to be told. */
  #isLeaderless = false;

  constructor(found: FoundTerminal, taken: TakenTerminal, front: FrontEnd, redraw: Redraw) {
    const { pty, job } = taken;
    this.pty = pty;
    this.#found = found;
    this.#taken = taken;
    this.#front = front;
    const { session } = found.wanted;
    const leader = session === undefined ? -1 : pidfdOpen(session);
    if (leader >= 0) this.#cleanup.defer(() => close(leader));
    this.#cleanup.defer(() => pty.releaseSlave());
    this.watches = [
      { fd: found.pidfd, onReadable: () => this.#noteEnd() },
      { fd: leader, onReadable: () => this.#noteLeaderless() },
      ...(job === undefined ? [] : job.shields.map((shield) => ({
        fd: shield.shellPidfd,
        onReadable: () => liftShield(shield, job.publish),
      }))),
    ];
    // The kernel tells the foreground of a new size, and no relayed group.
    const notify = () => void (job !== undefined && signalRelayed(job, SIGWINCH));
    this.redrawer = this.#cleanup.use(new Redrawer({ how: redraw, pty, size: front.size, notify }));
  }

  /** Make the programs paint themselves on the screen that they have come to. */
  paint(): void {
    this.redrawer.repaint();
  }

  /** The keyboard, without the signal keys that the kernel would keep from the job or would send to no process. */
  readonly keySource: Service["keySource"] = (turn) => {
    const { pty } = this;
    const { guard, job } = this.#taken;
    const { terminal } = this.#front;
    const keys = new IdleKeys({ pty, terminal, turn });
    const source = {
      listening: true,
      hasHeld: false,
      read: job === undefined ? keys.read : terminal.readFrom,
      beforeWait: () => {
        guard.check();
        if (this.#isLeaderless) this.#isLeaderless = !this.#tellLeaderless();
        keys.beforeWait();
      },
    };
    return job === undefined ? source : new JobControl({ source, pty, terminal, turn, job });
  };

  readonly isOver = (): boolean => false;

  /**
   * A program may close its terminal and open it again by name: as long as it is the controlling terminal of a session with
   * a leader, a slave is held for it.
   */
  readonly holdsOn = (): boolean => {
    const { pty } = this;
    const { session } = this.#found.wanted;
    if (pty.isTaken) return false;
    const leader = session === undefined ? undefined : readStat(session);
    if (leader === undefined || isEndingProcess(leader.pid)) return false;
    if (leader.ttyNr >>> 0 !== encodeDevice(ptsDevice(pty.index))) return false;
    pty.holdSlave();
    return true;
  };

  readonly onOver = (): number => this.#status ?? 0;

  readonly onLeft = (): number => {
    const { pty } = this;
    if (pty.isTaken) writeStderr(`reptyr: another reptyr has taken ${pty.name} away from here`);
    else if (this.#hasEnded()) this.#noteEnd();
    return this.onOver();
  };

  /** Without a job of a reptyr the kernel tells all there is to tell, when our master is closed. */
  readonly hangUp = (): void => {
    const { job, pty } = this.#taken;
    if (job !== undefined) endService({ attachment: job, pty });
  };

  readonly farewell: Service["farewell"] = (signal) =>
    `ended by ${signal}: the programs on ${this.pty.name} are told that it hangs up`;

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }

  #noteEnd(): void {
    const { pid, pidfd, startTime } = this.#found.target;
    this.#status ??= exitStatus(pid, pidfd, startTime);
  }

  #noteLeaderless(): void {
    this.pty.releaseSlave();
    this.#isLeaderless = true;
  }

  /**
   * A pty that other programs have open is not hung up when the session's leader ends, but has no foreground group any more,
   * disassociate_ctty(): so the user is told what the keys still do. False while output is to be shown first.
   */
  #tellLeaderless(): boolean {
    const { pty } = this;
    const master = new PollSet(1);
    master.watch(0, pty.master, POLLIN);
    master.poll(0);
    const state = master.reported(0);
    if ((state & POLLIN) !== 0) return false;
    if ((state & POLLHUP) === 0) {
      writeStderr(
        `reptyr: the shell on ${pty.name} has ended; other programs still have it open, ^C leaves them`,
      );
    }
    return true;
  }

  /** Whether the target has ended; a target that is about to end is waited for. */
  #hasEnded(): boolean {
    const { pid, pidfd } = this.#found.target;
    const set = new PollSet(1);
    set.watch(0, pidfd, POLLIN);
    return set.poll(isEndingProcess(pid) ? ENDING_MS : 0) > 0;
  }
}

/** How long a process may take from leaving its terminal, as it ends, to having ended. */
const ENDING_MS = 1000;
