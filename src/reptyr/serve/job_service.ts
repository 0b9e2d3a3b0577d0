/** The time after a move: what `reptyr PID` does for the job until it has ended, or we must. */
import { SIGWINCH } from "../../ffi/constants.ts";
import { writeStderr } from "../../log.ts";
import { exitStatus } from "../../proc/exit_status.ts";
import { TRACE_SESSION } from "../../tracee/trace_session.ts";
import type { FrontEnd, Service } from "../frontend/front_end.ts";
import { type EndingSignal, statusOf } from "../frontend/own_signals.ts";
import { Redrawer } from "../frontend/redraw.ts";
import type { MoveOptions } from "../inspect/move_options.ts";
import { jobKeys } from "./job_keys.ts";
import { LatePrompt } from "./late_prompt.ts";
import { DroppedOutput, lostOutput } from "./lost_output.ts";
import { endService, liftShield, type MovedJob, staysOn, tellLeft } from "./moved_job.ts";
import { signalRelayed, tellSize, watchRelayed } from "./signal_relay.ts";

export class JobService implements Service, Disposable {
  readonly pty;
  readonly redrawer: Redrawer;
  readonly watches: Service["watches"];
  readonly #job: MovedJob;
  readonly #front: FrontEnd;
  readonly #options: Pick<MoveOptions, "redraw" | "hangup">;
  readonly #cleanup = new DisposableStack();
  readonly #dropped = new DroppedOutput((line) => writeStderr(`reptyr: ${line}`));
  #living: number;
  #status = 0;

  constructor(
    job: MovedJob,
    front: FrontEnd,
    options: Pick<MoveOptions, "redraw" | "hangup">,
  ) {
    const { target, attachment, pty } = job;
    this.pty = pty;
    this.#job = job;
    this.#front = front;
    this.#options = options;
    const relayedFds = watchRelayed(attachment.relayed, this.#cleanup);
    this.#living = 1 + relayedFds.length;
    this.watches = [
      { fd: target.pidfd, onReadable: () => this.#noteEnd() },
      ...relayedFds.map((fd) => ({ fd, onReadable: () => void this.#living-- })),
      ...attachment.shields.map((shield) => ({
        fd: shield.shellPidfd,
        onReadable: () => liftShield(shield, attachment.publish),
      })),
    ];
    this.redrawer = this.#cleanup.use(
      new Redrawer({
        // Where there is no screen, nothing has to be painted on it.
        how: options.redraw === "winch" && !front.terminal.screenIsTerminal
          ? "none"
          : options.redraw,
        pty,
        size: front.size,
        notify: () => signalRelayed(attachment, SIGWINCH),
        tellAll: () => tellSize(attachment, pty.master),
      }),
    );
    if (attachment.left !== undefined) {
      this.#cleanup.use(new LatePrompt(attachment.left, attachment.gate));
    }
  }

  /** Make the job paint itself on the screen that it has come to. */
  paint(): void {
    const { paintsItself, oldSize } = this.#job.attachment;
    if (!paintsItself || this.#options.redraw !== "winch") this.redrawer.request(oldSize);
  }

  readonly keySource: Service["keySource"] = (turn) =>
    jobKeys(this.#job, this.#front, turn, this.#cleanup);

  readonly isOver = (): boolean => this.#living === 0;
  readonly holdsOn = (): boolean => staysOn(this.#job);

  readonly drops = (errno: number, count: number): boolean => {
    const isKept = !this.#front.terminal.screenHasReader && !this.#options.hangup;
    if (isKept) this.#dropped.drop(errno, count);
    return isKept;
  };

  readonly onEnd = (): void => this.#dropped.end();
  readonly onOver = (): number => this.#status;

  readonly onLeft = (): number => {
    tellLeft(this.#job);
    return 0;
  };

  readonly hangUp = (): void => endService(this.#job);

  readonly onScreenGone = (): number => {
    const { terminal } = this.#front;
    const { status, message } = terminal.screenIsTerminal
      ? { status: statusOf("SIGHUP"), message: undefined }
      : lostOutput(terminal.screenErrno);
    if (message !== undefined) writeStderr(`reptyr: ${message}: ${this.#hangUpText()}`);
    return status;
  };

  readonly farewell = (signal: EndingSignal): string => `ended by ${signal}: ${this.#hangUpText()}`;

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }

  #hangUpText(): string {
    return `process ${this.#job.target.pid} is told that its terminal hangs up`;
  }

  #noteEnd(): void {
    const { pid, pidfd, startTime } = this.#job.target;
    this.#living--;
    TRACE_SESSION.pendingDetach.release();
    this.#status = exitStatus(pid, pidfd, startTime);
  }
}
